package process

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// reapPeriod is the time between checks without a signal: two children that exit at the same time
// may cause only one SIGCHLD.
const reapPeriod = 10 * time.Second

// A Reaper reads the exit status of inherited children, as the init process of a container must. A
// process can have only one, and only if no other code waits for children that it started. The zero
// value is ready for use.
type Reaper struct {
	mu    sync.Mutex
	spare int // the child that os/exec waits for
}

// Start is the function Start, for a process that the reaper ignores.
func (r *Reaper) Start(ctx context.Context, opts Options) (*Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := Start(ctx, opts)
	if err == nil {
		r.spare = p.Pid()
	}
	return p, err
}

// Run reaps until ctx is done, and returns nil.
func (r *Reaper) Run(ctx context.Context) error {
	adoptOrphans()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	ticker := time.NewTicker(reapPeriod)
	defer ticker.Stop()
	for {
		r.reap()
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
		case <-ticker.C:
		}
	}
}

func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has exited
		}
		if pid, ok := zombieOf(os.Getpid(), string(b)); ok && pid != r.spare {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // tried again at the next signal
		}
	}
}

// zombieOf returns the process id in the text of /proc/<pid>/stat if the process is a zombie child
// of parent (proc(5)).
func zombieOf(parent int, stat string) (pid int, ok bool) {
	end := strings.LastIndex(stat, ") ") // of the name, which can have any characters
	if end < 0 {
		return 0, false
	}
	fields := strings.Fields(stat[end+2:])
	if len(fields) < 2 || fields[0] != "Z" || fields[1] != strconv.Itoa(parent) {
		return 0, false
	}
	text, _, _ := strings.Cut(stat, " ")
	pid, err := strconv.Atoi(text)
	return pid, err == nil
}
