package handover_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/handover"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// iface is a name unique to the test.
func iface(t *testing.T) string { return fmt.Sprintf("%s-%d", t.Name(), os.Getpid()) }

// A member is a running Peer.
type member struct {
	*handover.Peer
	stop func()
}

func (m member) succeeded() bool { link, ok := m.Succeeded(); return ok && link == "link0" }

func join(t *testing.T, name string) member {
	t.Helper()
	p, err := handover.Join(t.Context(), name, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return member{p, stop}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so within 20 s: %s", what)
		}
	}
}

// joinAfter joins once the predecessor can be found.
func joinAfter(t *testing.T, name string) (m member) {
	t.Helper()
	eventually(t, "a predecessor", func() bool {
		p, err := handover.Join(t.Context(), name, quiet())
		found := err == nil && p.HasPredecessor()
		if found {
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = p.Run(ctx) })
			m = member{p, sync.OnceFunc(func() { cancel(); running.Wait() })}
			t.Cleanup(m.stop)
		}
		return found
	})
	return m
}

func TestPeers(t *testing.T) {
	first := join(t, iface(t))
	if first.HasPredecessor() || first.succeeded() {
		t.Fatal("the first agent has a peer")
	}
	second := joinAfter(t, iface(t))
	if first.succeeded() {
		t.Error("the second agent counts before it serves")
	}
	if err := second.Serving("link0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first knows", first.succeeded)
	// A third agent, while the first still runs.
	third := joinAfter(t, iface(t))
	if err := third.Serving("link0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second knows", second.succeeded)
	// The third agent exits first: the second serves again, and the first does not.
	third.stop()
	eventually(t, "the second serves again", func() bool { return !second.succeeded() })
	if !first.succeeded() {
		t.Error("the first serves again, although the second does")
	}
	second.stop()
	eventually(t, "the first serves again", func() bool { return !first.succeeded() })
	fourth := joinAfter(t, iface(t))
	if err := fourth.Serving("link0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first knows of the fourth", first.succeeded)
	first.stop()
	if fourth.succeeded() {
		t.Error("the end of a predecessor is no successor")
	}
}

// A successor that exits before it serves changes nothing.
func TestSuccessorDiesBeforeItServes(t *testing.T) {
	first := join(t, iface(t))
	second := joinAfter(t, iface(t))
	second.stop()
	third := joinAfter(t, iface(t))
	if first.succeeded() {
		t.Error("an agent that never served counts")
	}
	if err := third.Serving("link0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first knows", first.succeeded)
}

// Invalid messages change nothing, and other users are refused.
func TestStrangers(t *testing.T) {
	name := iface(t)
	first := join(t, name)
	for _, text := range []string{"", "\n", "{}\n", `{"serving":"yes"}` + "\n", strings.Repeat("x", 5000), "\x00\xff\n"} {
		eventually(t, "a connection", func() bool {
			conn, err := net.Dial("unix", "@kube-dns/node-cache/"+name)
			if err != nil {
				return false
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.UnixConn).CloseWrite()
			n, _ := conn.Read(make([]byte, 8))
			if n > 0 {
				t.Errorf("%q: got a reply, want none", text)
			}
			return true
		})
	}
	if os.Getuid() == 0 {
		cmd := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "sh", "-c",
			`printf '{"serving":true}\n' | timeout 5 perl -MSocket -e '
				$SIG{PIPE} = "IGNORE"; socket(S, AF_UNIX, SOCK_STREAM, 0);
				connect(S, pack("S a*", AF_UNIX, "\0".$ARGV[0])) or die "connect: $!";
				syswrite(S, "{\"serving\":true}\n"); print sysread(S, $_, 1) ? "reply" : "closed"' "kube-dns/node-cache/`+name+`"`)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "closed" {
			t.Errorf("a process of another user: got %q, %v, want a closed connection", out, err)
		}
	}
	if first.succeeded() {
		t.Error("a stranger is taken for a successor")
	}
	second := joinAfter(t, name)
	if err := second.Serving("link0"); err != nil || !second.HasPredecessor() {
		t.Errorf("after strangers: %v", err)
	}
}

// An agent waits for an agent that has started and does not serve yet, and not for an exited agent.
func TestAwaitSuccessor(t *testing.T) {
	first := join(t, iface(t))
	first.AwaitSuccessor(t.Context()) // there is none
	second := joinAfter(t, iface(t))
	awaited := make(chan struct{})
	eventually(t, "the second has joined", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		first.AwaitSuccessor(ctx)
		return ctx.Err() != nil
	})
	go func() {
		defer close(awaited)
		first.AwaitSuccessor(t.Context())
	}()
	second.stop()
	<-awaited
	third := joinAfter(t, iface(t))
	if err := third.Serving("link0"); err != nil {
		t.Fatal(err)
	}
	first.AwaitSuccessor(t.Context())
	if !first.succeeded() {
		t.Error("the wait ended before the third agent counts")
	}
}
