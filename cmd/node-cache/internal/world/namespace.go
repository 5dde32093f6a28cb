package world

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace.
type Namespace struct{ fd int }

func newNamespace(t *testing.T) Namespace {
	t.Helper()
	fd := make(chan int)
	problem := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread exits with the goroutine
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
		return Namespace{fd: n}
	case err := <-problem:
		t.Fatal("make a network namespace:", err)
		return Namespace{}
	}
}

// Do calls f on a thread in the namespace, which f and its processes and sockets then use.
func (n Namespace) Do(f func()) {
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

// Try runs a program in the namespace.
func (n Namespace) Try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out []byte
	var err error
	n.Do(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Run runs a program that must not fail.
func (n Namespace) Run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.Try("", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
