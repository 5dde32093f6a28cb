package handover

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
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// A Peer talks to the agents before and after this one, through an abstract unix socket. The socket
// exists only in the network namespace of the node, and closes with its process.
type Peer struct {
	name string
	log  *slog.Logger
	uid  int // of this process, and of its peers

	running sync.WaitGroup

	mu          sync.Mutex
	predecessor net.Conn // while open, it counts us as its successor
	successor   net.Conn // while open, it serves instead of us
	link        string   // of the successor
	joined      int      // agents that started and do not serve yet
}

// A message is a successor's report: one line of JSON.
type message struct {
	// Serving: new queries reach the successor.
	Serving bool `json:"serving"`
	// Link is the interface with the successor's addresses.
	Link string `json:"link"`
}

const (
	// maxMessage is the maximum size of a message, in bytes.
	maxMessage = 256
	// talkTimeout is the timeout of a message.
	talkTimeout = 2 * time.Second
	// bindPeriod is the time between attempts to bind the name of a predecessor.
	bindPeriod = 500 * time.Millisecond
	// joinPeriod is the time between checks for starting agents.
	joinPeriod = 20 * time.Millisecond
)

// parseMessage parses the message of a successor.
func parseMessage(line []byte) (message, error) {
	var m message
	if len(line) > maxMessage {
		return m, fmt.Errorf("the message has more than %d bytes", maxMessage)
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("this is not a message of an agent: %w", err)
	}
	if len(m.Link) >= unix.IFNAMSIZ {
		return message{}, fmt.Errorf("no interface can be called %q", m.Link)
	}
	return m, nil
}

// Join looks for a predecessor that uses the same interface.
func Join(ctx context.Context, iface string, log *slog.Logger) (*Peer, error) {
	p := &Peer{name: "@kube-dns/node-cache/" + iface, log: log, uid: os.Geteuid()}
	conn, err := (&net.Dialer{Timeout: talkTimeout}).DialContext(ctx, "unix", p.name)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return p, nil // there is none
	case err != nil:
		return nil, fmt.Errorf("look for another agent at %s: %w", p.name, err)
	}
	if err := p.check(conn); err != nil {
		_ = conn.Close()
		p.log.Warn("ignoring a process that is not an agent", "err", err)
		return p, nil
	}
	p.predecessor = conn
	return p, nil
}

// Steer is the function Steer.
func (p *Peer) Steer(addrs []netip.AddrPort) error { return Steer(addrs) }

// Shared is the function Shared.
func (p *Peer) Shared(addrs []netip.AddrPort) (bool, error) { return Shared(addrs) }

// HasPredecessor reports whether another agent of ours serves on this node.
func (p *Peer) HasPredecessor() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.predecessor != nil
}

// Serving reports to the predecessor, if any, that new queries reach this agent, whose addresses
// are on link.
func (p *Peer) Serving(link string) error {
	p.mu.Lock()
	conn := p.predecessor
	p.mu.Unlock()
	if conn == nil {
		return nil
	}
	line, err := json.Marshal(message{Serving: true, Link: link})
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(talkTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("notify the other agent that this one serves: %w", err)
	}
	// The predecessor closes its side of the name and then replies.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return fmt.Errorf("the other agent did not confirm that this one serves: %w", err)
	}
	return conn.SetDeadline(time.Time{})
}

// Succeeded reports whether another agent serves instead of this one, and returns its link. It
// reports false again if that agent exits first.
func (p *Peer) Succeeded() (link string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link, p.successor != nil
}

// Run waits for a successor until ctx is done.
func (p *Peer) Run(ctx context.Context) error {
	defer p.close()
	for {
		ln, err := p.listen(ctx)
		if err != nil {
			return nil // ctx is done
		}
		successor, link := p.await(ctx, ln)
		// From now on the name belongs to the successor.
		_ = ln.Close()
		if successor == nil {
			return nil
		}
		p.set(successor, link)
		p.addJoined(-1)
		_, err = successor.Write([]byte{'\n'})
		p.log.Info("handed over to another agent")
		if err == nil {
			p.awaitEnd(ctx, successor)
		}
		_ = successor.Close()
		if ctx.Err() != nil {
			return nil // it still serves
		}
		p.set(nil, "")
		p.log.Warn("the agent that took over has ended, serving again")
	}
}

// listen binds the name. A predecessor releases it when it sees that we serve.
func (p *Peer) listen(ctx context.Context) (*net.UnixListener, error) {
	for {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.name, Net: "unix"})
		if err == nil {
			return ln, nil
		}
		if !pause.For(ctx, bindPeriod) {
			return nil, ctx.Err()
		}
	}
}

// await returns the connection and the link of a process that serves, or nil when ctx is done.
func (p *Peer) await(ctx context.Context, ln *net.UnixListener) (successor net.Conn, link string) {
	defer p.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = ln.SetDeadline(time.Now()) })
	said := make(chan arrival)
	accepted := make(chan net.Conn)
	p.running.Go(func() {
		defer close(accepted)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			select {
			case accepted <- conn:
			case <-ctx.Done():
				_ = conn.Close()
				return
			}
		}
	})
	for {
		select {
		case conn, ok := <-accepted:
			if !ok {
				return nil, ""
			}
			p.running.Go(func() { p.listenTo(ctx, conn, said) })
		case s := <-said:
			return s.conn, s.link
		}
	}
}

// arrival is an agent that has started to serve.
type arrival struct {
	conn net.Conn
	link string
}

// listenTo reads the only message of a connection, however long the other agent takes to start.
func (p *Peer) listenTo(ctx context.Context, conn net.Conn, said chan<- arrival) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	err := p.check(conn)
	served := false
	var m message
	if err == nil {
		p.addJoined(1)
		defer func() {
			if !served {
				p.addJoined(-1)
			}
		}()
		var line []byte
		line, err = bufio.NewReader(io.LimitReader(conn, maxMessage+1)).ReadBytes('\n')
		if err == nil {
			m, err = parseMessage(line)
		}
	}
	ended := !stop()
	switch {
	case err == nil && m.Serving && !ended:
		select {
		case said <- arrival{conn, m.Link}:
			served = true
			return
		case <-ctx.Done():
		}
	case err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil:
		p.log.Warn("ignoring a process that is not an agent", "err", err)
	}
	_ = conn.Close()
}

// AwaitSuccessor returns when no agent is starting that would replace this one, or when ctx is
// done. Run must still be running.
func (p *Peer) AwaitSuccessor(ctx context.Context) {
	ticker := time.NewTicker(joinPeriod)
	defer ticker.Stop()
	for p.isJoining() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *Peer) isJoining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.joined > 0 && p.successor == nil
}

func (p *Peer) addJoined(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joined += n
}

// awaitEnd returns when the successor has exited, or ctx is done.
func (p *Peer) awaitEnd(ctx context.Context, successor net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = successor.SetReadDeadline(time.Now()) })
	defer stop()
	_, _ = successor.Read(make([]byte, 1))
}

// check refuses processes of other users.
func (p *Peer) check(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) {
		cred, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if got != nil {
		return got
	}
	if int(cred.Uid) != p.uid {
		return fmt.Errorf("process %d is of user %d, this one is of user %d", cred.Pid, cred.Uid, p.uid)
	}
	return nil
}

func (p *Peer) set(successor net.Conn, link string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.successor, p.link = successor, link
}

func (p *Peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.predecessor != nil {
		_ = p.predecessor.Close()
	}
}
