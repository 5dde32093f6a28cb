package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopTime is the maximum time of a command to stop in order.
const stopTime = 10 * time.Second

// A process is a command run by a test. Its output is in log.
type process struct {
	name, log string
	cmd       *exec.Cmd
	ended     chan struct{} // closed by the goroutine that waits
	stopping  sync.Once
}

// start runs a command of this repository for the duration of the test. An early exit fails the
// test; the last lines of a failed test are shown.
func start(t *testing.T, name string, env []string, args ...string) *process {
	t.Helper()
	dir := filepath.Join(rig.dir, "log", strings.ReplaceAll(t.Name(), "/", "_"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &process{name: name, log: log.Name(), ended: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(rig.dir, "bin", name), args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// The supervisor handles Ctrl-C at the terminal.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	fmt.Fprintf(log, "%s\n", strings.Join(p.cmd.Args, " "))
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		_ = p.cmd.Wait() // its exit code is read from ProcessState
		close(p.ended)
	})
	t.Cleanup(func() {
		p.stop(t)
		wait.Wait()
		if t.Failed() {
			t.Logf("last lines of %s:\n%s", p.log, p.tail(60))
		}
	})
	return p
}

// stop stops the process at once and in order, and checks for exit code 0. Only the first call has
// an effect.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.stopping.Do(func() {
		select {
		case <-p.ended:
			t.Errorf("%s ended by itself: %v", p.name, p.cmd.ProcessState)
			return
		default:
		}
		_ = p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("%s after SIGINT: got %v, want exit code 0", p.name, p.cmd.ProcessState)
			}
		case <-time.After(stopTime):
			t.Errorf("%s did not stop within %v of SIGINT: killing it", p.name, stopTime)
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
	})
}

var errEnded = errors.New("has ended")

// running returns errEnded once the process has exited.
func (p *process) running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s %w: %v", p.name, errEnded, p.cmd.ProcessState)
	default:
		return nil
	}
}

// tail returns the last n lines of the log.
func (p *process) tail(n int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// eventually calls check until it returns nil, and fails the test with its last error after limit.
// The limit is a timeout, not a performance target.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if errors.Is(err, errEnded) {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("still wrong after %v: %v", limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("stopped: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePort returns a loopback port that is free over UDP and TCP. It is below the kernel's range
// for outgoing connections, so that it remains free until it is used.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(8000)
		if _, given := rig.ports.LoadOrStore(port, true); !given && portIsFree(port) {
			return port
		}
	}
	t.Fatal("found no free port between 12000 and 20000")
	return 0
}

func portIsFree(port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	u.Close()
	return true
}
