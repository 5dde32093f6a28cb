package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervise prepares the rig, runs the tests in a second process of the same binary and stops
// everything. It returns the exit code.
func supervise() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Any process that outlives its parent becomes our child, so that no process outlives the
	// tests.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		progress("become the reaper of orphans: %v", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "kube-dns-e2e-")
	if err != nil {
		progress("%v", err)
		return 1
	}
	code, err := runTests(ctx, dir)
	if err != nil {
		progress("%v", err)
		code = 1
	}
	interrupted := ctx.Err() != nil
	// From here on Ctrl-C has no effect: this only takes some seconds.
	if err := command(context.Background(), nil, "cluster/down.sh", dir+"/cluster").Run(); err != nil {
		progress("stop the control plane: %v", err)
	}
	left := killChildren()
	if len(left) > 0 && !interrupted && err == nil {
		progress("the tests left processes behind: %s", strings.Join(left, ", "))
		code = max(code, 1)
	}
	keep := code != 0 || os.Getenv("KUBE_DNS_E2E_KEEP") != ""
	if keep && !interrupted {
		dir = filepath.Join(dir, "cluster", "etcd") // not useful to people
		progress("logs and configuration are kept in %s", filepath.Dir(filepath.Dir(dir)))
	}
	if err := os.RemoveAll(dir); err != nil {
		progress("%v", err)
	}
	return code
}

// buildCommands builds the commands, node-cache and the kubectl plugin in their modules.
func buildCommands(ctx context.Context, bin string) error {
	for module, packages := range map[string][]string{
		"..":                     {"./cmd/kube-dns", "./cmd/dnsmasq-nanny", "./cmd/sidecar"},
		"../cmd/node-cache":      {"."},
		"../cmd/kubectl-kubedns": {"."},
	} {
		build := append([]string{"build", "-o", bin}, strings.Fields(os.Getenv("KUBE_DNS_E2E_BUILDFLAGS"))...)
		build = append(build, packages...)
		cmd := command(ctx, os.Stderr, "go", build...)
		cmd.Dir = module
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %s in %s: %w", strings.Join(build, " "), module, err)
		}
	}
	return nil
}

// runTests builds, starts the control plane and runs the tests. The exit code
// is the second process's.
func runTests(ctx context.Context, dir string) (int, error) {
	if _, err := os.Stat("/usr/sbin/dnsmasq"); err != nil {
		return 1, fmt.Errorf("dnsmasq is not installed (Debian: apt-get install dnsmasq-base): %w", err)
	}
	var out strings.Builder
	if err := command(ctx, &out, "cluster/build.sh").Run(); err != nil {
		return 1, fmt.Errorf("build kubebox: %w", err)
	}
	began := time.Now()
	if err := buildCommands(ctx, dir+"/bin/"); err != nil {
		return 1, err
	}
	progress("commands built in %.1f s", time.Since(began).Seconds())

	cmd := command(ctx, os.Stderr, "cluster/up.sh", dir+"/cluster")
	cmd.Env = append(os.Environ(), "CLUSTER_BIN="+strings.TrimSpace(out.String()))
	if err := cmd.Run(); err != nil {
		return 1, fmt.Errorf("start the control plane: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	cmd = command(ctx, os.Stdout, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run the tests: %w", err)
	}
	return 0, nil
}

// command is a child that gets SIGINT when ctx is done, and is killed 10 s later.
func command(ctx context.Context, stdout io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05")+" e2e: "+format+"\n", args...)
}

// killChildren kills and reaps every child, and the processes that become children by that. It
// returns the names of those still running.
func killChildren() (running []string) {
	for range 100 {
		children := childProcesses(os.Getpid())
		if len(children) == 0 {
			return running
		}
		for _, c := range children {
			if c.state != "Z" {
				running = append(running, fmt.Sprintf("%s (pid %d)", c.name, c.pid))
				_ = syscall.Kill(c.pid, syscall.SIGKILL)
			}
			_, _ = syscall.Wait4(c.pid, nil, 0, nil)
		}
	}
	return running
}

type child struct {
	pid         int
	name, state string
}

// childProcesses lists the children of a process, from /proc.
func childProcesses(parent int) []child {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var list []child
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // already exited
		}
		// pid (name) state ppid ...; the name can contain anything.
		text := string(b)
		open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
		if open < 0 || end < open {
			continue
		}
		rest := strings.Fields(text[end+1:])
		if len(rest) < 2 || rest[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
		if err == nil {
			list = append(list, child{pid, text[open+1 : end], rest[0]})
		}
	}
	return list
}
