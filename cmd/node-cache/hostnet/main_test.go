package hostnet

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Environment variables of the processes that a test run has.
const (
	insideVariable = "HOSTNET_INSIDE" // the second process, which is in namespaces
	agentVariable  = "HOSTNET_AGENT"  // an agent, with its configuration in JSON
)

// tools are the programs that the tests run, with the Debian package of each.
var tools = map[string]string{
	"iptables-legacy": "iptables", "iptables-nft": "iptables", "nft": "nftables", "setpriv": "util-linux",
}

// TestMain runs the test binary again, in namespaces that end with it.
func TestMain(m *testing.M) {
	flag.Parse()
	switch {
	case os.Getenv(agentVariable) != "":
		if err := runAgent(os.Getenv(agentVariable)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	case os.Getenv(insideVariable) != "":
		if err := mounts(); err != nil {
			fmt.Fprintln(os.Stderr, "hostnet:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	default:
		code, err := runInside()
		if err != nil {
			fmt.Fprintln(os.Stderr, "hostnet:", err)
		}
		os.Exit(code)
	}
}

func runInside() (int, error) {
	for tool, debian := range tools {
		if _, err := lookProgram(tool); err != nil {
			return 1, fmt.Errorf("%w: apt-get install --no-install-recommends %s", err, debian)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The kernel kills the child with the thread that made it.
	runtime.LockOSThread()
	// The tests wait for timeouts most of the time.
	cmd := exec.Command(self, append(os.Args[1:], "-test.parallel=8")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run the tests in namespaces of their own: %w", err)
	}
	return 0, nil
}

// mounts makes /proc that of our processes, and /run with the lock of iptables ours.
func mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return nil
}

// A namespace is a network namespace.
type namespace struct{ fd int }

func newNamespace(t *testing.T) namespace {
	t.Helper()
	fd := make(chan int)
	problem := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			problem <- err
			return
		}
		opened, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			problem <- err
			return
		}
		fd <- opened
	}()
	select {
	case n := <-fd:
		t.Cleanup(func() { unix.Close(n) })
		return namespace{fd: n}
	case err := <-problem:
		t.Fatal("make a network namespace:", err)
		return namespace{}
	}
}

// do calls f on a thread in the namespace. What f opens or starts is there.
func (n namespace) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

// try runs a program in the namespace.
func (n namespace) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out []byte
	var err error
	n.do(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (n namespace) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.try("", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
