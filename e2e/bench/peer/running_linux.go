package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/meter"
)

// A Running peer.
type Running struct {
	*Site
	processes []*process
}

type process struct {
	label string
	cmd   *exec.Cmd
	ended chan struct{} // closed by the only goroutine that waits for the process
}

// Start starts the peer's processes, all on one core. Its files and logs are in site.Dir.
func Start(p Peer, site Site, core int) (*Running, error) {
	if err := os.MkdirAll(site.Dir, 0o755); err != nil {
		return nil, err
	}
	r := &Running{Site: &site}
	commands, err := p.command(r.Site)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.Name, err)
	}
	for _, c := range commands {
		if err := r.start(c, core); err != nil {
			r.Stop()
			return nil, fmt.Errorf("start %s: %w", p.Name, err)
		}
	}
	return r, nil
}

func (r *Running) start(c command, core int) error {
	log, err := os.Create(filepath.Join(r.Dir, c.label+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(core)}, c.args...)...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{label: c.label, cmd: cmd, ended: make(chan struct{})}
	go func() { // Stop waits for it
		_ = cmd.Wait()
		close(p.ended)
	}()
	r.processes = append(r.processes, p)
	return nil
}

// Alive returns an error with the log if a process has exited.
func (r *Running) Alive() error {
	for _, p := range r.processes {
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended (%s); its log is %s", p.label, p.cmd.ProcessState,
				filepath.Join(r.Dir, p.label+".log"))
		default:
		}
	}
	return nil
}

// CPU returns the processor time of each process so far, in seconds.
func (r *Running) CPU() map[string]float64 {
	out := map[string]float64{}
	for _, p := range r.processes {
		out[p.label] = meter.CPU(p.cmd.Process.Pid)
	}
	return out
}

// Memory returns the memory of each process.
func (r *Running) Memory() map[string]meter.Memory {
	out := map[string]meter.Memory{}
	for _, p := range r.processes {
		out[p.label] = meter.MemoryOf(p.cmd.Process.Pid)
	}
	return out
}

// Stop kills the processes, last one first. They have no clients at this point.
func (r *Running) Stop() {
	for _, p := range slices.Backward(r.processes) {
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-p.ended:
			continue
		case <-time.After(time.Second):
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	r.processes = nil
}
