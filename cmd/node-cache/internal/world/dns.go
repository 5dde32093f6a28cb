package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// replyTimeout is longer than a reply takes on a busy machine.
const replyTimeout = 30 * time.Second

// Ask sends one query from a namespace, and returns the name of the server.
func Ask(from Namespace, network string, server netip.Addr) (string, error) {
	var conn net.Conn
	var err error
	from.Do(func() {
		dialer := net.Dialer{Timeout: replyTimeout}
		conn, err = dialer.DialContext(context.Background(), network, netip.AddrPortFrom(server, 53).String())
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return Exchange(conn, replyTimeout)
}

// Exchange sends one query and returns the name of the server.
func Exchange(conn net.Conn, timeout time.Duration) (string, error) {
	client := dns.Client{Timeout: timeout}
	query := new(dns.Msg).SetQuestion("example.", dns.TypeTXT)
	reply, _, err := client.ExchangeWithConn(query, &dns.Conn{Conn: conn})
	if err != nil {
		return "", err
	}
	if len(reply.Answer) == 0 {
		return "", fmt.Errorf("a reply without an answer: %s", dns.RcodeToString[reply.Rcode])
	}
	return reply.Answer[0].(*dns.TXT).Txt[0], nil
}

// WantServer queries over UDP and TCP. It retries lost queries, because a busy machine drops some.
func WantServer(t *testing.T, want string, from Namespace, servers ...netip.Addr) {
	t.Helper()
	for _, server := range servers {
		for _, network := range []string{"udp", "tcp"} {
			got, err := Ask(from, network, server)
			for range 2 {
				if err != nil {
					got, err = Ask(from, network, server)
				}
			}
			if got != want {
				t.Errorf("%s %s: got a reply of %q (%v), want %q", network, server, got, err, want)
			}
		}
	}
}

// queueSize holds the queries of some seconds, for a busy machine.
const queueSize = 8 << 20

// Serve answers every query over UDP and TCP with the name of the server. The sockets are in the
// namespace of the calling thread.
func Serve(at netip.AddrPort, name string) error {
	shared := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) {
			// A process without network permissions has the default queue.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueSize)
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(err, controlErr)
	}}
	udp, err := shared.ListenPacket(context.Background(), "udp", at.String())
	if err != nil {
		return err
	}
	tcp, err := shared.Listen(context.Background(), "tcp", at.String())
	if err != nil {
		return err
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		reply.Answer = []dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{name},
		}}
		_ = w.WriteMsg(reply)
	})
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		go func() { _ = s.ActivateAndServe() }()
	}
	return nil
}
