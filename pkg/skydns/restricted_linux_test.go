package skydns_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// restrictedEnv names the test of a child process.
const restrictedEnv = "SKYDNS_TEST_RESTRICTED"

// A restricted server runs in a child process that has restricted itself.
type restricted struct {
	addr    string
	sockets int // for UDP
	log     bytes.Buffer
	stop    func() // ends the child; log is complete then
}

// serveRestricted runs the calling test again in a child process, which restricts itself and
// serves. In the child it returns nil after the server has stopped.
func serveRestricted(t *testing.T, opts skydns.Options, restrict func(t *testing.T)) *restricted {
	t.Helper()
	if os.Getenv(restrictedEnv) == t.Name() {
		restrict(t)
		serveUntilEOF(t, opts)
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command(self, "-test.run="+pattern)
	cmd.Env = append(os.Environ(), restrictedEnv+"="+t.Name(), "GOMAXPROCS=4")
	r := new(restricted)
	cmd.Stderr = &r.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = stdin.Close()
		rest, _ := io.ReadAll(stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("child process: %v\n%s%s", err, rest, &r.log)
		}
	}
	t.Cleanup(r.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "listening on %s with %d", &r.addr, &r.sockets); scanErr != nil {
		t.Fatalf("child process: got %q (%v)", line, err)
	}
	return r
}

func serveUntilEOF(t *testing.T, opts skydns.Options) {
	opts.Domain, opts.Backend, opts.Forwarder = "cluster.local.", twinZone(), newForwarder(t, netip.AddrPort{})
	opts.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := skydns.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := skydns.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("listening on %s with %d\n", sockets.Addr(), sockets.CountForTest())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := s.Run(ctx, sockets); err != nil {
		t.Fatal(err)
	}
}

// wantAddress queries an address n times.
func wantAddress(t *testing.T, addr string, tcp bool, n int) {
	t.Helper()
	for range n {
		if m := dnstest.Exchange(t, addr, dnstest.Query("web.ns.svc.cluster.local", dns.TypeA), tcp); len(m.Answer) != 1 {
			t.Fatalf("over TCP %v: got %v, want an address", tcp, m)
		}
	}
}

// TestSystemCallsRefused: a server answers even if the kernel or a seccomp profile refuses the
// calls for many messages, for a shared port, or all of them.
func TestSystemCallsRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM, unix.EACCES, unix.EINVAL} {
		for _, fast := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,fast=%v", unix.ErrnoName(errno), fast), func(t *testing.T) {
				server := serveRestricted(t, skydns.Options{NoFastPath: !fast}, func(t *testing.T) { refuseCalls(t, errno) })
				if server == nil {
					return
				}
				wantAddress(t, server.addr, false, 20)
				wantAddress(t, server.addr, true, 5)
				if server.sockets != 1 {
					t.Errorf("got %d sockets for UDP, want 1", server.sockets)
				}
				server.stop()
				if got := strings.Count(server.log.String(), "reading one packet at a time"); got != 1 && fast {
					t.Errorf("got %d lines about single packets, want 1:\n%s", got, &server.log)
				}
			})
		}
	}
}

// refuseCalls makes recvmmsg, sendmmsg and SO_REUSEPORT fail in all threads, for the rest of the
// process.
func refuseCalls(t *testing.T, errno unix.Errno) {
	t.Helper()
	const jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	const load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	// struct seccomp_data: the number of the call at 0, its arguments from 16 on.
	filter := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: jumpEqual, Jt: 6, K: unix.SYS_RECVMMSG},
		{Code: jumpEqual, Jt: 5, K: unix.SYS_SENDMMSG},
		{Code: jumpEqual, Jf: 5, K: unix.SYS_SETSOCKOPT},
		{Code: load, K: 16 + 8},
		{Code: jumpEqual, Jf: 3, K: unix.SOL_SOCKET},
		{Code: load, K: 16 + 16},
		{Code: jumpEqual, Jf: 1, K: unix.SO_REUSEPORT},
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

// TestNoFilesLeft: clients' connections use all files that the process can open. UDP still works,
// one line is logged, and TCP works again after they have closed.
func TestNoFilesLeft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		conns int // Options.MaxTCPConns
		lines int
	}{
		{"limit above the files", 1000, 1},
		{"default limit", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := serveRestricted(t, skydns.Options{MaxTCPConns: tt.conns}, limitFiles)
			if server == nil {
				return
			}
			var conns []net.Conn
			for range 2 * maxFiles {
				conn, err := net.Dial("tcp", server.addr) // the kernel accepts
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conns = append(conns, conn)
			}
			wantAddress(t, server.addr, false, 200)
			for _, conn := range conns {
				_ = conn.Close()
			}
			for t.Context().Err() == nil { // the server may notice it late
				q := dnstest.Query("web.ns.svc.cluster.local", dns.TypeA)
				if _, err := dnstest.TryExchange(t.Context(), server.addr, q, true); err == nil {
					break
				}
			}
			server.stop()
			if got := strings.Count(server.log.String(), "cannot accept TCP connections"); got != tt.lines {
				t.Errorf("got %d lines about connections, want %d:\n%s", got, tt.lines, &server.log)
			}
		})
	}
}

// maxFiles limits the files of the child process of TestNoFilesLeft.
const maxFiles = 60

func limitFiles(t *testing.T) {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: maxFiles, Max: maxFiles}); err != nil {
		t.Fatal(err)
	}
}
