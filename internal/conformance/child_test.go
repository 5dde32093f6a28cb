package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// stopTimeout limits the time for a process to exit after SIGINT.
const stopTimeout = 15 * time.Second

// A process is a child from its start to its end.
type process struct {
	cmd    *exec.Cmd
	log    *tail
	waiter sync.WaitGroup
	ended  chan struct{} // closed by the waiter when the child has ended and err is set
	err    error
}

func startProcess(binary string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), log: new(tail), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// Without the developer's own cluster or metrics settings.
	p.cmd.Env = append(os.Environ(), "KUBERNETES_SERVICE_HOST=", "KUBERNETES_SERVICE_PORT=", "PROMETHEUS_PORT=")
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.waiter.Go(func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	})
	return p, nil
}

// failure returns the error of the process, which must have exited.
func (p *process) failure() error {
	if p.err == nil {
		return errors.New("kube-dns exited early with code 0")
	}
	return fmt.Errorf("kube-dns exited early: %w", p.err)
}

// stop interrupts the process and waits for its exit. Any exit other than code 0 after the signal
// is an error. It is called once for each process.
func (p *process) stop() error {
	defer p.waiter.Wait()
	select {
	case <-p.ended:
		return p.failure()
	default:
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(stopTimeout):
	}
	return errors.Join(errors.New("still running "+stopTimeout.String()+" after SIGINT, killed"), p.cmd.Process.Kill())
}

// tail stores the end of its input. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Sizes of a tail.
const (
	tailBytes = 64 << 10
	tailLines = 60
)

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = bytes.Clone(t.buf[len(t.buf)-tailBytes:])
	}
	return len(p), nil
}

// String returns the last lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimRight(string(t.buf), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
