package cli_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-dns/kube-dns/internal/cli"
)

const lameduck = 28 * time.Second

// A stopTest is one NotifyStop inside a synctest bubble.
type stopTest struct {
	t        *testing.T
	signals  chan os.Signal
	draining <-chan struct{}
	stop     context.Context
	log      bytes.Buffer
}

func newStopTest(ctx context.Context, t *testing.T, lameduck time.Duration) *stopTest {
	s := &stopTest{t: t, signals: make(chan os.Signal, 2)}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	var release func()
	s.draining, s.stop, release = cli.NotifyStopOn(ctx, s.signals, lameduck, log)
	t.Cleanup(release)
	return s
}

// expect waits until all goroutines are blocked, and compares the state.
func (s *stopTest) expect(moment string, wantDraining, wantStopped bool) {
	s.t.Helper()
	synctest.Wait()
	draining := false
	select {
	case <-s.draining:
		draining = true
	default:
	}
	if draining != wantDraining || (s.stop.Err() != nil) != wantStopped {
		s.t.Errorf("%s: draining %v, stopped %v; want %v, %v",
			moment, draining, s.stop.Err() != nil, wantDraining, wantStopped)
	}
}

func (s *stopTest) expectStoppedBy(want os.Signal) {
	s.t.Helper()
	if got := cli.StoppedBy(s.stop); got != want {
		s.t.Errorf("got stopped by %v, want %v", got, want)
	}
}

func (s *stopTest) expectLog(want ...string) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if s.log.Len() == 0 {
		lines = nil
	}
	if len(lines) != len(want) {
		s.t.Fatalf("log has %d lines, want %d:\n%s", len(lines), len(want), s.log.String())
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			s.t.Errorf("log line %d = %q, want it to contain %q", i, line, want[i])
		}
	}
}

func TestStopAfterLameduck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStopTest(t.Context(), t, lameduck)
		time.Sleep(time.Hour)
		s.expect("before the signal", false, false)
		s.signals <- syscall.SIGTERM
		s.expect("after SIGTERM", true, false)
		time.Sleep(lameduck - time.Nanosecond)
		s.expect("just before the end", true, false)
		time.Sleep(time.Nanosecond)
		s.expect("at the end", true, true)
		s.expectStoppedBy(syscall.SIGTERM)
		s.expectLog(`lameduck=28s`, `msg=stopping reason="lameduck is over"`)
	})
}

func TestStopAtOnce(t *testing.T) {
	tests := map[string]struct {
		lameduck time.Duration
		signals  []os.Signal
	}{
		"interrupt":                {lameduck, []os.Signal{os.Interrupt}},
		"second SIGTERM":           {lameduck, []os.Signal{syscall.SIGTERM, syscall.SIGTERM}},
		"interrupt while draining": {lameduck, []os.Signal{syscall.SIGTERM, os.Interrupt}},
		"no lameduck":              {0, []os.Signal{syscall.SIGTERM}},
		"lameduck below zero":      {-time.Second, []os.Signal{syscall.SIGTERM}},
		"signals after the stop":   {0, []os.Signal{os.Interrupt, os.Interrupt}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStopTest(t.Context(), t, tt.lameduck)
				for _, sig := range tt.signals {
					s.signals <- sig
				}
				s.expect("after the signals", true, true)
				s.expectStoppedBy(tt.signals[0])
			})
		})
	}
}

func TestStopWithParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStopTest(ctx, t, lameduck)
		cancel()
		s.expect("after the parent", true, true)
		s.expectStoppedBy(nil)
		s.expectLog()
	})
}

func TestStopWithParentWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStopTest(ctx, t, lameduck)
		s.signals <- syscall.SIGTERM
		s.expect("after SIGTERM", true, false)
		cancel()
		s.expect("after the parent", true, true)
		s.expectLog(`lameduck=28s`)
	})
}

// The real signals reach the process itself.
func TestNotifyStopRealSignal(t *testing.T) {
	draining, stop, release := cli.NotifyStop(t.Context(), time.Hour, slog.New(slog.DiscardHandler))
	defer release()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := self.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-draining
	}
	<-stop.Done()
}

func TestReleaseCancelsStop(t *testing.T) {
	draining, stop, release := cli.NotifyStop(t.Context(), time.Hour, slog.New(slog.DiscardHandler))
	release()
	<-stop.Done()
	<-draining
	release() // twice is harmless
}
