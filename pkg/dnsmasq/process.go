package dnsmasq

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopGrace is the time from SIGTERM to SIGKILL.
	stopGrace = 2 * time.Second
	// maxLine bounds a line of output; what is longer is cut.
	maxLine = 16 << 10
	// tailLines is the number of lines kept to explain an exit.
	tailLines = 10
	// levelOutput is where dnsmasq's lines are logged: verbosity 1.
	levelOutput = slog.Level(-1)
)

// ProcessOptions say what to run.
type ProcessOptions struct {
	// Path of the program.
	Path string
	// Args are its arguments without its name.
	Args []string
	// OnLine is called with each line of output, from two goroutines. Nil: the
	// lines are only logged.
	OnLine func(line string)
	// Log gets the output, line by line at verbosity 1.
	Log *slog.Logger
}

// A Process is one run of dnsmasq, with all the children it forks: they form a
// process group of their own and end together.
type Process struct {
	opts    ProcessOptions
	ctx     context.Context
	cmd     *exec.Cmd
	pipes   []*os.File
	started time.Time
	gone    chan struct{} // closed by Wait
	bound   sync.WaitGroup

	mu   sync.Mutex
	tail []string
}

// An Exit says how a process ended.
type Exit struct {
	// Code is the exit code; -1 when a signal ended it.
	Code int
	// Signal that ended it, if one did.
	Signal syscall.Signal
	// Uptime is how long it ran.
	Uptime time.Duration
	// Tail is the end of its output, oldest line first.
	Tail []string
}

// String describes e for people.
func (e Exit) String() string {
	if e.Code < 0 {
		return fmt.Sprintf("signal %d (%v)", e.Signal, e.Signal)
	}
	if why := exitCodes[e.Code]; why != "" {
		return fmt.Sprintf("exit code %d (%s)", e.Code, why)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// exitCodes is dnsmasq's list of exit codes.
var exitCodes = map[int]string{
	1: "bad configuration",
	2: "network, often a port that is taken",
	3: "file system",
	4: "memory",
	5: "other",
}

// Start runs a process. When ctx is done its group gets SIGTERM, and SIGKILL
// two seconds later. The caller must call Wait.
func Start(ctx context.Context, opts ProcessOptions) (*Process, error) {
	p := &Process{opts: opts, ctx: ctx, gone: make(chan struct{}), cmd: exec.CommandContext(ctx, opts.Path, opts.Args...)}
	p.cmd.Env = append(os.Environ(), "LANGUAGE=en") // its messages are read, see classify
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.signalGroup(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	for _, stream := range []*io.Writer{&p.cmd.Stdout, &p.cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closePipes()
			return nil, fmt.Errorf("start %s: %w", opts.Path, err)
		}
		defer w.Close() // the child has its own
		*stream = w
		p.pipes = append(p.pipes, r)
	}
	p.started = time.Now()
	if err := p.startBound(); err != nil {
		p.closePipes()
		return nil, fmt.Errorf("start dnsmasq: %w", err)
	}
	return p, nil
}

// startBound starts the process so that it ends with ours, however that ends.
// The kernel looks at the thread that started it, so that thread stays. The kernel unbinds a
// dnsmasq that changes its user or group; endOrphan finds that one later.
func (p *Process) startBound() error {
	bindToParent(p.cmd.SysProcAttr)
	started := make(chan error) // sent to by the goroutine below
	p.bound.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			<-p.gone
		}
	})
	return <-started
}

// Pid is the process's id, and its group's.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends sig to the process, not to its group. After its end it does
// nothing.
func (p *Process) Signal(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.opts.Log.Error("cannot signal dnsmasq", "signal", sig.String(), "err", err)
	}
}

// Wait returns when the process has ended, for whatever reason, and nothing is
// left of its group: children that dnsmasq forks for TCP would keep its port.
func (p *Process) Wait() Exit {
	var readers sync.WaitGroup
	for i, name := range []string{"stdout", "stderr"} {
		readers.Go(func() { p.readLines(name, p.pipes[i]) })
	}
	_ = p.cmd.Wait() // how it ended is in ProcessState
	p.endGroup()
	for _, pipe := range p.pipes { // a daemon that left the group may hold them
		_ = pipe.SetReadDeadline(time.Now().Add(time.Second))
	}
	readers.Wait()
	p.closePipes()
	close(p.gone)
	p.bound.Wait()

	exit := Exit{Code: p.cmd.ProcessState.ExitCode(), Uptime: time.Since(p.started), Tail: p.tail}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}

// endGroup kills what is left of the process group and waits for it.
func (p *Process) endGroup() {
	deadline := time.Now().Add(stopGrace)
	for time.Now().Before(deadline) {
		if err := p.signalGroup(syscall.SIGKILL); errors.Is(err, os.ErrProcessDone) {
			return
		}
		reapGroup(p.Pid())
		time.Sleep(time.Millisecond)
	}
	p.opts.Log.Warn("processes that dnsmasq left behind do not end", "group", p.Pid())
}

// signalGroup sends sig to the whole process group. The error is
// os.ErrProcessDone when there is nobody left in it.
func (p *Process) signalGroup(sig syscall.Signal) error {
	err := syscall.Kill(-p.Pid(), sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// reapGroup takes the exit status of children in the process group. We get
// those that dnsmasq left behind when we are the init process of a container
// (or a subreaper).
func reapGroup(pgid int) {
	for {
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-pgid, &status, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// readLines logs each line of a stream until its end.
func (p *Process) readLines(name string, stream io.Reader) {
	r := bufio.NewReaderSize(stream, maxLine)
	for {
		line, cut, err := r.ReadLine()
		if err != nil {
			break
		}
		p.onLine(strings.TrimRight(string(line), "\r"))
		for cut && err == nil {
			_, cut, err = r.ReadLine()
		}
	}
	p.opts.Log.Debug("end of dnsmasq's output", "stream", name, "pid", p.Pid())
}

func (p *Process) onLine(line string) {
	p.opts.Log.Log(p.ctx, levelOutput, "dnsmasq", "line", line)
	p.mu.Lock()
	p.tail = append(p.tail, line)
	if len(p.tail) > tailLines {
		p.tail = p.tail[1:]
	}
	p.mu.Unlock()
	if p.opts.OnLine != nil {
		p.opts.OnLine(line)
	}
}

func (p *Process) closePipes() {
	for _, pipe := range p.pipes {
		pipe.Close()
	}
}
