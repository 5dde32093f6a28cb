package skydns

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// fullListener is a listener of a process that cannot open more files.
type fullListener struct {
	net.Listener // nil
	accepts      int
}

func (l *fullListener) Accept() (net.Conn, error) {
	l.accepts++
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
}

func (l *fullListener) Close() error { return nil }

// TestAcceptDoesNotSpin: while accept fails, the server tries again a hundred times per second and
// logs once per minute.
func TestAcceptDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, err := New(Options{
			Domain: "cluster.local.", Backend: oneName{}, Forwarder: upstream.New(netip.AddrPort{}),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		var ln fullListener
		if err := s.tcp.serve(ctx, &ln); err != nil {
			t.Fatal(err)
		}
		if ln.accepts > 15_010 {
			t.Errorf("tried to accept %d times in 150 s, want 100 per second at most", ln.accepts)
		}
		if got := strings.Count(log.String(), "cannot accept TCP connections"); got != 3 {
			t.Errorf("got %d lines in 150 s, want 3:\n%s", got, &log)
		}
	})
}

// longTarget has an alias to a name with a label of 64 letters.
type longTarget struct{ oneName }

func (longTarget) Records(context.Context, backend.Query) (backend.Answer, error) {
	host := strings.Repeat("a", 64) + ".cluster.local."
	return backend.Answer{Records: []backend.Record{{Type: backend.TypeCNAME, TTL: 30, Host: host}}, Total: 1}, nil
}

// TestUnpackableReplies: clients cannot choose how often an unpackable reply is logged. They get
// SERVFAIL.
func TestUnpackableReplies(t *testing.T) {
	var log bytes.Buffer
	s, err := New(Options{
		Domain: "cluster.local.", Backend: longTarget{}, Forwarder: upstream.New(netip.AddrPort{}),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeCNAME, dns.TypeSRV} {
			packet := packed(t, new(dns.Msg).SetQuestion("web.cluster.local.", qtype))
			reply := s.respond(packet, noClient, udp).reply
			if len(reply) < headerSize || int(reply[3]&0xf) != dns.RcodeServerFailure {
				t.Fatalf("type %d: got %x, want SERVFAIL", qtype, reply)
			}
		}
	}
	if want := "type=A record=\"web.cluster.local. 30 IN CNAME aaaa"; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in:\n%s", want, &log)
	}
	if got := strings.Count(log.String(), "cannot pack a reply"); got != 1 {
		t.Errorf("got %d lines, want 1:\n%s", got, &log)
	}
}
