package udpbatch

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusedVariable names the refusal that a child process is under.
const refusedVariable = "UDPBATCH_TEST_REFUSED"

// TestCallsRefused: if a container's seccomp profile or an old kernel refuses the calls for many
// messages, packets are served one at a time.
func TestCallsRefused(t *testing.T) {
	type refusal struct {
		calls []uint32
		errno unix.Errno
		want  bool
	}
	tests := map[string]refusal{"none": {calls: []uint32{unix.SYS_ACCT}, errno: unix.EPERM}}
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM, unix.EACCES, unix.EINVAL} {
		name := unix.ErrnoName(errno)
		tests["recvmmsg:"+name] = refusal{[]uint32{unix.SYS_RECVMMSG}, errno, true}
		tests["sendmmsg:"+name] = refusal{[]uint32{unix.SYS_SENDMMSG}, errno, true}
		tests["both:"+name] = refusal{[]uint32{unix.SYS_RECVMMSG, unix.SYS_SENDMMSG}, errno, true}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(refusedVariable) == name {
				for _, call := range tt.calls {
					refuse(t, call, tt.errno)
				}
				wantSingle(t, tt.want)
				return
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self, "-test.v", "-test.run=^TestCallsRefused$/^"+name+"$")
			cmd.Env = append(os.Environ(), refusedVariable+"="+name)
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestCallsRefused/"+name)) {
				t.Errorf("child process: %v\n%s", err, out)
			}
		})
	}
}

func wantSingle(t *testing.T, want bool) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(pc.(*net.UDPConn), false, nothingFails(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	if got := c.Single(); (got != nil) != want {
		t.Errorf("one packet at a time: got %v, want %v", got, want)
	}
	client, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	err = c.Serve(func(batch []Packet) {
		for i := range batch {
			batch[i].Reply = []byte("yes")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := client.Read(buf); err != nil || string(buf[:n]) != "yes" {
		t.Errorf("reply: got %q (%v), want yes", buf[:n], err)
	}
}

// refuse makes a system call fail in all threads, for the rest of the process.
func refuse(t *testing.T, call uint32, errno unix.Errno) {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		t.Fatalf("seccomp: %v", failed)
	}
}
