// Package ask sends DNS queries over TCP, and returns the replies in a comparable form.
package ask

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Reply is a server's reply to one query.
type Reply struct {
	Rcode  string   `json:"rcode"`
	AA     bool     `json:"aa"`
	Answer []Record `json:"answer,omitempty"`
	// Err is the reason for a missing reply.
	Err  string        `json:"error,omitempty"`
	Took time.Duration `json:"-"`
}

// A Record is a record of the answer section.
type Record struct {
	Name string `json:"name"`
	Type string `json:"type"`
	TTL  uint32 `json:"ttl"`
	Data string `json:"data"`
}

func (r Record) String() string { return fmt.Sprintf("%s %s", r.Type, r.Data) }

// A Server answers queries over one TCP connection at a time. It is not for concurrent use.
type Server struct {
	// Addr is an address with a port.
	Addr string
	conn *dns.Conn
}

// queryTime is the timeout of one query: kube-dns itself waits up to 5 s for its upstreams.
const queryTime = 6 * time.Second

// Ask sends a query. It reopens a connection that the server has closed.
func (s *Server) Ask(ctx context.Context, name, qtype string) Reply {
	t, ok := dns.StringToType[strings.ToUpper(qtype)]
	if !ok {
		return Reply{Err: fmt.Sprintf("%q is not a record type", qtype)}
	}
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), t)
	again := s.conn != nil // the server might have closed it
	r, err := s.exchange(ctx, q)
	if err != nil && again && ctx.Err() == nil {
		r, err = s.exchange(ctx, q)
	}
	if err != nil {
		return Reply{Err: err.Error()}
	}
	return r
}

func (s *Server) exchange(ctx context.Context, q *dns.Msg) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	client := &dns.Client{Net: "tcp", Timeout: queryTime}
	if s.conn == nil {
		conn, err := client.DialContext(ctx, s.Addr)
		if err != nil {
			return Reply{}, err
		}
		s.conn = conn
	}
	m, took, err := client.ExchangeWithConnContext(ctx, q, s.conn)
	if err != nil {
		s.Close()
		return Reply{}, err
	}
	return replyOf(m, took), nil
}

// Close closes the connection.
func (s *Server) Close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

func replyOf(m *dns.Msg, took time.Duration) Reply {
	r := Reply{Rcode: dns.RcodeToString[m.Rcode], AA: m.Authoritative, Took: took}
	if r.Rcode == "" {
		r.Rcode = fmt.Sprintf("rcode %d", m.Rcode)
	}
	for _, rr := range m.Answer {
		h := rr.Header()
		r.Answer = append(r.Answer, Record{
			Name: strings.ToLower(h.Name), Type: dns.Type(h.Rrtype).String(), TTL: h.Ttl,
			Data: strings.ToLower(strings.TrimPrefix(rr.String(), h.String())),
		})
	}
	slices.SortFunc(r.Answer, func(a, b Record) int { return strings.Compare(a.Name+a.String(), b.Name+b.String()) })
	return r
}
