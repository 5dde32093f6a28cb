package handover_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/cmd/node-cache/handover"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) {
	if args := os.Getenv("HANDOVER_HELPER"); args != "" {
		if err := helper(strings.Fields(args)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// helper is a DNS server at addresses, "steered NAME ADDR..." or "plain NAME ADDR...".
// It ends when its input does.
func helper(args []string) error {
	var addrs []netip.AddrPort
	for _, text := range args[2:] {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
	}
	var servers []*dns.Server
	var running, starting sync.WaitGroup
	for _, addr := range addrs {
		list, err := listen(addr)
		if err != nil {
			return err
		}
		for _, s := range list {
			servers = append(servers, s)
			starting.Add(1)
			s.NotifyStartedFunc = starting.Done
			running.Go(func() { _ = s.ActivateAndServe() })
		}
	}
	if args[0] == "steered" {
		if err := handover.Steer(addrs); err != nil {
			return err
		}
	}
	starting.Wait() // Shutdown refuses a server that has not started
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, s := range servers {
		_ = s.Shutdown()
	}
	running.Wait()
	return nil
}

func listen(addr netip.AddrPort) ([]*dns.Server, error) {
	share := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		_ = raw.Control(func(fd uintptr) {
			// On a busy machine packets wait for some seconds. Without root the queue is shorter.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return err
	}}
	share.SetMultipathTCP(false)
	conn, err := share.ListenPacket(context.Background(), "udp", addr.String())
	if err != nil {
		return nil, err
	}
	ln, err := share.Listen(context.Background(), "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetReply(q)) })
	return []*dns.Server{{PacketConn: conn, Handler: answer}, {Listener: ln, Handler: answer}}, nil
}

// A proc is a helper that runs.
type proc struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func start(t *testing.T, args string) *proc {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HANDOVER_HELPER="+args)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if lines := bufio.NewScanner(out); !lines.Scan() {
		t.Fatalf("%s: not ready", args)
	}
	return &proc{cmd, in}
}

func (p *proc) stop() { _ = p.in.Close(); _ = p.cmd.Wait() }
func (p *proc) kill() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait(); _ = p.in.Close() }

// A load asks at addresses over new sockets until it is stopped.
type load struct {
	asked, lost, lostAtEnd atomic.Int64
	ends                   atomic.Int64 // odd from beginEnd to finishEnd
	asking                 sync.WaitGroup
	stop                   context.CancelFunc

	mu     sync.Mutex
	recent *sync.WaitGroup // the queries that began after the last settle
}

func newLoad(t *testing.T, protocol string, addrs []netip.AddrPort, pause time.Duration) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel, recent: new(sync.WaitGroup)}
	l.asking.Go(func() {
		pending := make(chan struct{}, mostPending)
		for i := 0; ctx.Err() == nil; i++ {
			pending <- struct{}{}
			addr := addrs[i%len(addrs)].String()
			l.mu.Lock()
			l.recent.Go(func() {
				defer func() { <-pending }()
				l.ask(protocol, addr)
			})
			l.mu.Unlock()
			time.Sleep(pause)
		}
	})
	return l
}

// A load has few queries that wait for a reply, so a busy machine gets fewer. One that waits for
// the time of patience is lost.
const (
	mostPending = 20
	patience    = 15 * time.Second
)

func (l *load) ask(protocol, addr string) {
	l.asked.Add(1)
	before := l.ends.Load()
	conn, err := dns.DialTimeout(protocol, addr, patience)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		err = conn.WriteMsg(new(dns.Msg).SetQuestion("web.example.", dns.TypeA))
	}
	after := l.ends.Load()
	if err == nil {
		_, err = conn.ReadMsg()
	}
	switch {
	case err == nil:
	case before%2 == 1 || before != after:
		l.lostAtEnd.Add(1)
	default:
		l.lost.Add(1)
	}
}

// beginEnd returns when no query is pending that began before it: what is in the queue of the
// process that ends is answered. The packet of a later query may meet the end, even if it was
// sent just before.
func (l *load) beginEnd() {
	l.ends.Add(1)
	l.settle()
}

func (l *load) finishEnd() { l.ends.Add(1) }

// settle returns when each query that began before it is answered or lost.
func (l *load) settle() {
	l.mu.Lock()
	earlier := l.recent
	l.recent = new(sync.WaitGroup)
	l.mu.Unlock()
	earlier.Wait()
}

// end wants at most one query lost for each process that ended, and none at other times.
func (l *load) end(t *testing.T, protocol string) {
	t.Helper()
	l.stop()
	l.asking.Wait()
	l.settle()
	if most := l.ends.Load() / 2; l.lost.Load() > 0 || l.lostAtEnd.Load() > most || l.asked.Load() < 1 {
		t.Errorf("%s: lost %d of %d queries, and %d while a process ended", protocol, l.lost.Load(), l.asked.Load(),
			l.lostAtEnd.Load())
	}
}

func freeAddrs(t *testing.T) []netip.AddrPort {
	t.Helper()
	port := dnstest.FreeAddr(t).Port() // that no client gets
	return []netip.AddrPort{
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port),
		netip.AddrPortFrom(netip.MustParseAddr("::1"), port),
	}
}

// Twenty agents follow each other under load: each steers, and the one before it stops or
// is killed. No query is lost, but for one that meets the instant in which the kernel takes
// a closed socket out of its group and has it still in its table: it goes to that socket.
func TestReplacements(t *testing.T) {
	for _, way := range []string{"stop", "kill", "beside one that does not steer"} {
		t.Run(way, func(t *testing.T) {
			addrs := freeAddrs(t)
			args := fmt.Sprintf(" x %s %s", addrs[0], addrs[1])
			current := start(t, "plain"+args)
			udp, tcp := newLoad(t, "udp", addrs, time.Millisecond), newLoad(t, "tcp", addrs, 10*time.Millisecond)
			for range 20 {
				next := start(t, "steered"+args)
				udp.beginEnd()
				tcp.beginEnd()
				if way == "kill" {
					current.kill()
				} else {
					current.stop()
				}
				udp.finishEnd()
				tcp.finishEnd()
				current = next
				if way == "beside one that does not steer" {
					break
				}
			}
			udp.end(t, "udp")
			tcp.end(t, "tcp")
			current.stop()
		})
	}
}

func TestSteerWithoutSocket(t *testing.T) {
	addrs := freeAddrs(t)
	if err := handover.Steer(addrs); err == nil || !strings.Contains(err.Error(), addrs[0].String()) {
		t.Errorf("got %v, want an error that names %s", err, addrs[0])
	}
	if handover.Taken(addrs) {
		t.Error("got taken, want free")
	}
	current := start(t, fmt.Sprintf("plain x %s %s", addrs[0], addrs[1]))
	defer current.stop()
	if !handover.Taken(addrs) {
		t.Error("got free, want taken")
	}
}
