package process_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/process"
	"github.com/kube-dns/kube-dns/internal/process/processtest"
)

func TestMain(m *testing.M) {
	if code, ok := processtest.Play(); ok {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// startFake starts a process that plays script. Its lines are collected.
func startFake(ctx context.Context, t *testing.T, script string) (p *process.Process, lines func() []string) {
	t.Helper()
	path, args := processtest.Command(t, script)
	var mu sync.Mutex
	var seen []string
	p, err := process.Start(ctx, process.Options{Path: path, Args: append(args, "-x", "y"), OnLine: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, line)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func TestProcessEnds(t *testing.T) {
	tests := map[string]struct {
		script string
		want   string
		tail   []string
	}{
		"on its own":      {"args", "exit code 0", []string{"-x y"}},
		"exit code":       {"say=bad exit=1", "exit code 1", []string{"bad"}},
		"other exit code": {"exit=42", "exit code 42", nil},
		"signal":          {"kill=9", "signal 9 (killed)", nil},
		"only the last lines": {"say=1 say=2 say=3 say=4 say=5 say=6 say=7 say=8 say=9 say=10 say=11 say=12", "exit code 0",
			strings.Fields("3 4 5 6 7 8 9 10 11 12")},
		"a line without end": {"long say=next", "exit code 0", []string{strings.Repeat("x", process.MaxLine), "next"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, lines := startFake(t.Context(), t, tt.script)
			exit := p.Wait()
			if got := exit.String(); got != tt.want {
				t.Errorf("exit %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(tt.tail, exit.Tail); diff != "" {
				t.Errorf("tail (-want +got):\n%s", diff)
			}
			if got := lines(); len(got) < len(tt.tail) {
				t.Errorf("only %d lines seen", len(got))
			}
			if err := p.Signal(syscall.SIGHUP); err != nil {
				t.Errorf("signal after the end: %v", err)
			}
		})
	}
}

func TestProcessCannotStart(t *testing.T) {
	_, err := process.Start(t.Context(), process.Options{Path: "/nonexistent/program"})
	if want := "fork/exec /nonexistent/program: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestProcessStops(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"at SIGTERM":                         {"say=ready sleep=60s", "signal 15 (terminated)"},
		"at SIGKILL when it ignores SIGTERM": {"ignore-term say=ready sleep=60s", "signal 9 (killed)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, lines := startFake(ctx, t, tt.script)
			stop := time.AfterFunc(0, func() {
				for len(lines()) == 0 {
					time.Sleep(time.Millisecond)
				}
				cancel()
			})
			defer stop.Stop()
			if got := p.Wait().String(); got != tt.want {
				t.Errorf("exit %q, want %q", got, tt.want)
			}
		})
	}
}

// TestProcessLeavesNoChild: when Wait returns, no forked child is left, even one that holds the
// process's port and output.
func TestProcessLeavesNoChild(t *testing.T) {
	for name, end := range map[string]string{"at its own end": "exit=7", "when it is killed": "kill=9"} {
		t.Run(name, func(t *testing.T) {
			addr := dnstest.FreeAddr(t).String()
			p, _ := startFake(t.Context(), t, "listen="+addr+" "+end)
			p.Wait()
			ln, err := net.Listen("tcp", addr)
			if err != nil {
				t.Fatalf("the port is still taken: %v", err)
			}
			ln.Close()
		})
	}
}

// TestReaper runs a process that plays the init process of a container.
func TestReaper(t *testing.T) {
	if os.Getenv("TEST_REAPER") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestReaper$", "-test.v")
		cmd.Env = append(os.Environ(), "TEST_REAPER=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	var r process.Reaper
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	// A process that the reaper must ignore, and that leaves an orphan.
	p, err := r.Start(t.Context(), process.Options{
		Path: "/bin/sh", Args: []string{"-c", `setsid sleep 0.2 >/dev/null 2>&1 & echo $!; sleep 0.1; exit 3`},
	})
	if err != nil {
		t.Fatal(err)
	}
	exit := p.Wait()
	if exit.Code != 3 || len(exit.Tail) != 1 {
		t.Fatalf("exit %+v, want code 3 and one line", exit)
	}
	orphan := exit.Tail[0]
	for range 1000 {
		if _, err := os.Stat("/proc/" + orphan); os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b, _ := os.ReadFile("/proc/" + orphan + "/stat")
	t.Errorf("the orphan was not reaped: %s", b)
}
