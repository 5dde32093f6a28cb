package dnsmasq

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/process"
)

// parentVariable makes the test binary start the dnsmasq in its value and wait.
const parentVariable = "NANNY_TEST_PARENT"

// dnsmasq exits with its nanny, for any exit of the nanny.
func TestEndsWithParent(t *testing.T) {
	if path := os.Getenv(parentVariable); path != "" {
		p, err := process.Start(context.Background(), process.Options{
			Path: path, Args: orphanArgs(os.Getenv(parentVariable + "_FILE")),
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("pid", p.Pid())
		p.Wait()
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, "-test.run=^TestEndsWithParent$")
	parent.Env = append(os.Environ(), parentVariable+"="+dnsmasqPath(t),
		parentVariable+"_FILE="+filepath.Join(t.TempDir(), serversName))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "pid %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	waitEnded(t, pid)
}

// A starting nanny stops the dnsmasq that reads the servers file in its directory, and no other
// process.
func TestEndOrphan(t *testing.T) {
	memory := publicDir(t)
	dir, err := lockStateDir(filepath.Join(memory, "dnsmasq-nanny-5353"))
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command(dnsmasqPath(t), orphanArgs(dir.serversPath())...)
	orphan.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	dir.writePID(orphan.Process.Pid)
	dir.lock.Close() // as the kernel does when a nanny is killed

	next, why := openServersDir(memory, 5353, "root", nil)
	if why != nil {
		t.Fatal(why)
	}
	defer next.close()
	t.Log("the orphan ended: ", <-ended)

	next.writePID(os.Getpid()) // not a dnsmasq of ours: it survives
	endOrphan(next.path)
}

// killedVariable makes the test binary run a nanny on the port in its value.
const killedVariable = "NANNY_TEST_KILLED"

// TestNannyKilled: a killed nanny leaves a dnsmasq that changed its user. The next nanny stops it,
// and binds its port with its first dnsmasq.
func TestNannyKilled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("dnsmasq changes its user only for root")
	}
	at := func(port, memory string) func(o *Options) {
		return func(o *Options) {
			o.MemoryDir = memory
			i := slices.IndexFunc(o.Args, func(arg string) bool { return strings.HasPrefix(arg, "--port=") })
			o.Args[i] = "--port=" + port
		}
	}
	if port, memory, killed := strings.Cut(os.Getenv(killedVariable), " "); killed {
		r := startNanny(t, "", at(port, memory))
		r.addr = netip.MustParseAddrPort("127.0.0.1:" + port)
		r.configure()
		r.waitLog(1, answersLine)
		fmt.Println("pid", r.pids()[0])
		<-r.ended // by the signal
		return
	}
	addr, temp := dnstest.FreeAddr(t), publicDir(t)
	port := strconv.Itoa(int(addr.Port()))
	killed := exec.Command(os.Args[0], "-test.run=^TestNannyKilled$")
	killed.Env = append(os.Environ(), "TMPDIR="+temp, killedVariable+"="+port+" "+temp)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "pid %d\n", &pid); err != nil {
		rest, _ := io.ReadAll(out)
		t.Fatalf("%v: %s", err, rest)
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("dnsmasq ended with its nanny: it kept its user")
	}

	r := startNanny(t, "", at(port, temp))
	r.addr = addr
	r.configure()
	r.waitLog(1, answersLine)
	waitEnded(t, pid)
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

func orphanArgs(servers string) []string {
	return []string{"-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--port=0", "--pid-file=", "--user=" +
		testUser(), "--group=" + testUser(), "--servers-file=" + servers}
}

// testUser keeps dnsmasq from changing its user and group: the kernel unbinds a process that does.
// endOrphan handles those.
func testUser() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

// waitEnded waits until a process has exited. It need not be our child.
func waitEnded(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("dnsmasq (pid %d) outlived its parent", pid)
}
