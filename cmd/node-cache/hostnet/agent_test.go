package hostnet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// config is the configuration of an agent in a world.
func config() Config {
	return Config{
		Interface: "nodelocaldns", Addrs: []netip.Addr{world.LinkLocal, world.ClusterIP, world.LinkLocal6,
			world.ClusterIP6},
		Port: 53, HealthPort: 8080, SetupInterface: true, Rules: options.RulesAuto,
	}
}

// runAgent is a process that answers on its addresses and maintains the rules.
func runAgent(text string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	cfg.Log = log
	n := New(cfg)
	if _, err := n.EnsureAddresses(); err != nil {
		return errors.Join(err, n.Close(Leave{}))
	}
	for _, addr := range cfg.Addrs {
		if err := world.Serve(netip.AddrPortFrom(addr, cfg.Port), "agent"); err != nil {
			return err
		}
	}
	return keepServing(context.Background(), n, log)
}

// selfQuery returns when this process answers at addr. The kernel adds the route of an IPv6 address
// a moment after the address.
func selfQuery(own []netip.Addr, addr netip.Addr) error {
	var problem error
	for range 100 {
		dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(SelfSource(own, addr), 0))}
		conn, err := dialer.DialContext(context.Background(), "udp", netip.AddrPortFrom(addr, 53).String())
		if err != nil {
			problem = err
			time.Sleep(10 * time.Millisecond)
			continue
		}
		name, err := world.Exchange(conn, 100*time.Millisecond)
		conn.Close()
		if name == "agent" {
			return nil
		}
		problem = fmt.Errorf("%s: got a reply of %q to our own query: %w", addr, name, err)
	}
	return problem
}

// keepServing executes the words that it reads: withdraw for good, and exit with close, leave or
// exit.
func keepServing(ctx context.Context, n *Network, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	report := func(err error) {
		if err != nil {
			log.Info("run", "err", err, "kinds", Kinds(err))
		}
	}
	running.Go(func() { _ = n.Run(ctx, report, report) })
	defer running.Wait()
	defer cancel()
	if err := begin(n); err != nil {
		return errors.Join(err, n.Close(Leave{}))
	}
	fmt.Println("serving")
	words := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			words <- lines.Text()
		}
	}()
	step := n.Serve
	for {
		select {
		case word := <-words:
			if word != "withdraw" {
				cancel()
				running.Wait()
				return end(n, word)
			}
			step = n.Withdraw
			fmt.Println("withdrawn", step())
		case <-time.After(time.Second):
			if err := step(); err != nil {
				log.Info("step", "err", err, "kinds", Kinds(err))
			}
		}
	}
}

func begin(n *Network) error {
	if err := n.checkRules(); err != nil {
		return err
	}
	for _, addr := range n.cfg.Addrs {
		if err := selfQuery(n.cfg.Addrs, addr); err != nil {
			return err
		}
	}
	return n.Serve()
}

func end(n *Network, word string) error {
	if word == "exit" {
		return nil
	}
	return n.Close(Leave{Link: word == "leave", Rules: word == "leave"})
}

// An agentProcess is runAgent in a namespace.
type agentProcess struct {
	cmd   *exec.Cmd
	words io.Writer
	lines chan string
}

// startAgent returns when the agent prints that it serves. With a wrapper, that program starts it.
func startAgent(t *testing.T, in world.Namespace, cfg Config, wrapper ...string) *agentProcess {
	t.Helper()
	a := newAgent(t, in, cfg, wrapper...)
	a.waitFor(t, "serving")
	return a
}

func newAgent(t *testing.T, in world.Namespace, cfg Config, wrapper ...string) *agentProcess {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Concat(wrapper, []string{self})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), agentVariable+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	words, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	in.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	a := &agentProcess{cmd: cmd, words: words, lines: make(chan string, 1000)}
	go a.read(out)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return a
}

func (a *agentProcess) read(out io.Reader) {
	defer close(a.lines)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		a.lines <- lines.Text()
	}
}

// waitFor returns the first line with text.
func (a *agentProcess) waitFor(t *testing.T, text string) string {
	t.Helper()
	var seen []string
	for line := range a.lines {
		if strings.Contains(line, text) {
			return line
		}
		seen = append(seen, line)
	}
	t.Fatalf("the agent ended without %q:\n%s", text, strings.Join(seen, "\n"))
	return ""
}

func (a *agentProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := a.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end stops the agent with a word for keepServing.
func (a *agentProcess) end(t *testing.T, word string) {
	t.Helper()
	fmt.Fprintln(a.words, word)
	var lines []string
	for line := range a.lines {
		lines = append(lines, line)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v:\n%s", err, strings.Join(lines, "\n"))
	}
}
