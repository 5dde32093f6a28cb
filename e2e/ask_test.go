package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A question is sent over UDP with RD set and, unless plain, an OPT.
type question struct {
	name  string
	qtype uint16
	tcp   bool
	plain bool
}

// ask sends one question to a server and returns the reply.
func ask(server string, q question) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.qtype)
	if !q.plain {
		m.SetEdns0(1232, false)
	}
	client := &dns.Client{Timeout: 20 * time.Second}
	if q.tcp {
		client.Net = "tcp"
	}
	reply, _, err := client.Exchange(m, server)
	if err != nil {
		return nil, fmt.Errorf("ask %s %s: %w", q.name, dns.TypeToString[q.qtype], err)
	}
	return reply, nil
}

// wantAnswer checks the rcode and the answer section of a reply. A record is given by its type and
// rdata: "A 10.96.0.10". Additional records are an error.
func wantAnswer(server string, q question, rcode int, records ...string) error {
	reply, err := ask(server, q)
	if err != nil {
		return err
	}
	var got []string
	for _, rr := range reply.Answer {
		h := rr.Header()
		rdata := strings.TrimPrefix(rr.String(), h.String())
		got = append(got, dns.TypeToString[h.Rrtype]+" "+rdata)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(records))
	if reply.Rcode != rcode || !slices.Equal(got, want) {
		return fmt.Errorf("%s %s: got %s %q, want %s %q", q.name, dns.TypeToString[q.qtype],
			dns.RcodeToString[reply.Rcode], got, dns.RcodeToString[rcode], want)
	}
	return nil
}

// wantNotReady checks that the reply is SERVFAIL with the Extended DNS Error
// "Not Ready" (RFC 8914 section 4.15).
func wantNotReady(server string, q question) error {
	reply, err := ask(server, q)
	if err != nil {
		return err
	}
	code := extendedError(reply)
	if reply.Rcode != dns.RcodeServerFailure || code != int(dns.ExtendedErrorCodeNotReady) {
		return fmt.Errorf("%s: got %s with extended error %d, want SERVFAIL with %d (not ready)",
			q.name, dns.RcodeToString[reply.Rcode], code, dns.ExtendedErrorCodeNotReady)
	}
	return nil
}

// extendedError returns the code of the reply's Extended DNS Error, or -1.
func extendedError(m *dns.Msg) int {
	if opt := m.IsEdns0(); opt != nil {
		for _, option := range opt.Option {
			if ede, ok := option.(*dns.EDNS0_EDE); ok {
				return int(ede.InfoCode)
			}
		}
	}
	return -1
}

// get reads a URL and checks its status.
func get(url string, status int) (string, error) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != status {
		return "", fmt.Errorf("%s: got status %d (%s), want %d", url, resp.StatusCode,
			strings.TrimSpace(string(body)), status)
	}
	return string(body), nil
}

// mustAnswer retries wantAnswer until it succeeds.
func mustAnswer(t *testing.T, server string, q question, rcode int, records ...string) {
	t.Helper()
	eventually(t, time.Minute, func() error { return wantAnswer(server, q, rcode, records...) })
}
