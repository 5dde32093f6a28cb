package dnstest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// timeout bounds one exchange. It is long: tests do not measure time.
const timeout = 10 * time.Second

// Query returns a question of class IN with RD set. The final dot of the name is optional; its
// letter case is kept.
func Query(name string, qtype uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
}

// Exchange sends query to addr ("address:port") and returns the reply. No reply, or a reply to
// another query, fails the test.
func Exchange(t testing.TB, addr string, query *dns.Msg, tcp bool) *dns.Msg {
	t.Helper()
	reply, err := TryExchange(t.Context(), addr, query, tcp)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// TryExchange is [Exchange] for servers that might not reply: it returns the error, and gives up
// when ctx ends or after 10 seconds. It reads the complete reply, even if that is larger than the
// query allows.
func TryExchange(ctx context.Context, addr string, query *dns.Msg, tcp bool) (*dns.Msg, error) {
	network := "udp"
	if tcp {
		network = "tcp"
	}
	reply, err := exchange(ctx, network, addr, query)
	if err != nil {
		return nil, fmt.Errorf("ask %s over %s for %s: %w", addr, network, question(query), err)
	}
	return reply, nil
}

func exchange(ctx context.Context, network, addr string, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := dns.Client{Net: network}
	conn, err := client.DialContext(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.UDPSize = dns.MaxMsgSize
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	reply, err := conn.ReadMsg()
	if err != nil {
		return nil, err
	}
	if !answers(reply, query) {
		return nil, fmt.Errorf("this is no reply to it:\n%s", reply)
	}
	return reply, nil
}

// answers reports whether reply repeats the ID and the question of query, including letter case.
func answers(reply, query *dns.Msg) bool {
	return reply.Response && reply.Id == query.Id && slices.Equal(reply.Question, query.Question)
}

func question(m *dns.Msg) string {
	if len(m.Question) == 0 {
		return "nothing"
	}
	q := m.Question[0]
	return q.Name + " " + dns.ClassToString[q.Qclass] + " " + dns.TypeToString[q.Qtype]
}
