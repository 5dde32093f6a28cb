// Package process starts a program, watches it, and reaps it with all its remaining children.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	// MaxLine limits a line of output, in bytes; a longer line is cut.
	MaxLine = 16 << 10
	// tailLines is the number of lines kept to explain an exit.
	tailLines = 10
)

// Options of a process.
type Options struct {
	// Path of the program, and its arguments without its name.
	Path string
	Args []string
	// Env is added to the environment, as "NAME=value".
	Env []string
	// OnLine is called with each line of output, from one goroutine. Nil: lines are only stored for
	// the Exit.
	OnLine func(line string)
}

// A Process is one run of a program, with all the children it forks. They have their own process
// group, and end at the same time.
type Process struct {
	opts    Options
	cmd     *exec.Cmd
	output  *os.File // its standard output and standard error
	started time.Time
	gone    chan struct{} // closed by Wait
	bound   sync.WaitGroup
	tail    []string // the last lines; readLines writes it
}

// An Exit describes the end of a process.
type Exit struct {
	// Code is the exit code; -1 after a signal.
	Code int
	// Signal is the signal that stopped the process, if any.
	Signal syscall.Signal
	// Uptime is how long it ran.
	Uptime time.Duration
	// Tail is the end of its output, oldest line first.
	Tail []string
	// Left: processes of its group remain, even after SIGKILL.
	Left bool
}

// String returns the exit code or the signal in words.
func (e Exit) String() string {
	if e.Code < 0 {
		return fmt.Sprintf("signal %d (%v)", e.Signal, e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Start runs a process. When ctx is done its group gets SIGTERM, and SIGKILL
// two seconds later. The caller must call Wait.
func Start(ctx context.Context, opts Options) (*Process, error) {
	p := &Process{opts: opts, gone: make(chan struct{}), cmd: exec.CommandContext(ctx, opts.Path, opts.Args...)}
	p.cmd.Env = append(os.Environ(), opts.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.signalGroup(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close() // the child has its own
	p.output, p.cmd.Stdout, p.cmd.Stderr = r, w, w
	p.started = time.Now()
	if err := p.startBound(); err != nil {
		r.Close()
		return nil, err
	}
	return p, nil
}

// startBound starts the process so that it ends with this process in any case. The kernel watches
// the thread that started it, so that thread must remain. The kernel unbinds a process that changes
// its user or group.
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

// Signal sends sig to the process, not to its group. It does nothing after the process has exited.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait returns after the process has exited, for any reason, and its group is empty: forked
// children would hold its ports.
func (p *Process) Wait() Exit {
	var reader sync.WaitGroup
	reader.Go(p.readLines)
	_ = p.cmd.Wait() // ProcessState has the result
	left := !p.endGroup()
	// A daemon that left the group may hold the pipe.
	_ = p.output.SetReadDeadline(time.Now().Add(time.Second))
	reader.Wait()
	p.output.Close()
	close(p.gone)
	p.bound.Wait()

	exit := Exit{Code: p.cmd.ProcessState.ExitCode(), Uptime: time.Since(p.started), Tail: p.tail, Left: left}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}

// endGroup kills the rest of the process group and waits for it. It reports whether the group is
// empty.
func (p *Process) endGroup() bool {
	deadline := time.Now().Add(stopGrace)
	for time.Now().Before(deadline) {
		if err := p.signalGroup(syscall.SIGKILL); errors.Is(err, os.ErrProcessDone) {
			return true
		}
		reapGroup(p.Pid())
		time.Sleep(time.Millisecond)
	}
	return false
}

// signalGroup sends sig to the process group. The error is os.ErrProcessDone if the group is empty.
func (p *Process) signalGroup(sig syscall.Signal) error {
	err := syscall.Kill(-p.Pid(), sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// reapGroup reads the exit status of children in the process group. These include orphans of the
// process if we are the init process of a container (or a subreaper).
func reapGroup(pgid int) {
	for {
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-pgid, &status, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// readLines stores and passes on each line of the output until its end.
func (p *Process) readLines() {
	r := bufio.NewReaderSize(p.output, MaxLine)
	for {
		text, cut, err := r.ReadLine()
		if err != nil {
			return
		}
		line := strings.TrimRight(string(text), "\r")
		p.tail = append(p.tail, line)
		p.tail = p.tail[max(0, len(p.tail)-tailLines):]
		if p.opts.OnLine != nil {
			p.opts.OnLine(line)
		}
		for cut && err == nil {
			_, cut, err = r.ReadLine()
		}
	}
}
