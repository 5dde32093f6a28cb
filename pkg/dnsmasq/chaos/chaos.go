// Package chaos queries a running dnsmasq for its counters, its upstream servers and its version:
// TXT records of class CHAOS in the domain "bind.".
package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
)

const (
	// queryTimeout bounds one query to dnsmasq.
	queryTimeout = 2 * time.Second
	// ednsSize is the maximum size of a UDP reply (DNS flag day 2020).
	ednsSize = 1232
)

// Stats are dnsmasq's cache counters. All but CacheSize start at zero with dnsmasq's process. A
// reload (SIGHUP) also resets Insertions and Evictions.
type Stats struct {
	// Hits and Misses count queries answered from the cache, or forwarded.
	Hits, Misses uint64
	// Evictions counts entries that were removed early, to make room.
	Evictions uint64
	// Insertions counts entries added to the cache.
	Insertions uint64
	// CacheSize is the capacity of the cache, in entries.
	CacheSize uint64
}

// A Server is one line of dnsmasq's list of upstream servers. The counters restart at zero with
// dnsmasq. A reload of the servers can move counters to another server, so differences across a
// reload do not count.
type Server struct {
	// Address of the server. A server of several domains is listed once.
	Address netip.AddrPort
	// Queries counts the queries sent there, Failed those without a usable reply.
	Queries, Failed uint64
}

// A ReplyError is an unexpected reply of dnsmasq.
type ReplyError struct {
	// Name is the name in the question, of class CHAOS and type TXT.
	Name string
	// Rcode of the reply; dns.RcodeNotImplemented under --no-ident.
	Rcode int
	// Reason is the fault of the reply.
	Reason string
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("reply to %s CH TXT: %s", e.Name, e.Reason)
}

// IsReply reports whether a query that returned err got a reply. A refusal is a reply.
func IsReply(err error) bool {
	_, refused := errors.AsType[*ReplyError](err)
	return err == nil || refused
}

// QueryStats queries the dnsmasq at addr ("ip:port") for its counters. It sends five queries over
// UDP, in the order hits, misses, evictions, insertions, cachesize. Each waits at most two seconds.
// Every reply must be one TXT record with one decimal number, otherwise it returns an error.
func QueryStats(ctx context.Context, addr string) (Stats, error) {
	var s Stats
	for _, counter := range []struct {
		name  string
		value *uint64
	}{
		{"hits.bind.", &s.Hits},
		{"misses.bind.", &s.Misses},
		{"evictions.bind.", &s.Evictions},
		{"insertions.bind.", &s.Insertions},
		{"cachesize.bind.", &s.CacheSize},
	} {
		text, err := queryText(ctx, addr, counter.name)
		if err != nil {
			return Stats{}, err
		}
		if *counter.value, err = strconv.ParseUint(text, 10, 64); err != nil {
			return Stats{}, &ReplyError{Name: counter.name, Reason: fmt.Sprintf("%q is not a decimal number", text)}
		}
	}
	return s, nil
}

// QueryServers queries the dnsmasq at addr ("ip:port") for its upstream servers, over UDP and, for
// a long list, over TCP. The list lacks servers with dnsmasq's own address, and is stale for up to
// a millisecond after a reload. It waits at most two seconds.
func QueryServers(ctx context.Context, addr string) ([]Server, error) {
	const name = "servers.bind."
	texts, err := queryTXT(ctx, addr, name)
	if err != nil {
		return nil, err
	}
	list := make([]Server, 0, len(texts))
	for _, text := range texts {
		s, err := parseServer(text)
		if err != nil {
			return nil, &ReplyError{Name: name, Reason: err.Error()}
		}
		list = append(list, s)
	}
	return list, nil
}

// QueryVersion queries the dnsmasq at addr ("ip:port") for its version: "2.90". It waits at most
// two seconds.
func QueryVersion(ctx context.Context, addr string) (string, error) {
	text, err := queryText(ctx, addr, "version.bind.")
	return strings.TrimPrefix(text, "dnsmasq-"), err
}

// queryText is queryTXT for a record with one string.
func queryText(ctx context.Context, addr, name string) (string, error) {
	texts, err := queryTXT(ctx, addr, name)
	if err != nil {
		return "", err
	}
	if len(texts) != 1 {
		return "", &ReplyError{Name: name, Reason: fmt.Sprintf("%d strings, want one", len(texts))}
	}
	return texts[0], nil
}

// queryTXT returns the strings of the only TXT record of name in class CHAOS.
func queryTXT(ctx context.Context, addr, name string) ([]string, error) {
	reply, err := exchange(ctx, addr, name)
	if err != nil {
		return nil, err
	}
	switch {
	case reply.Rcode != dns.RcodeSuccess:
		return nil, &ReplyError{Name: name, Rcode: reply.Rcode, Reason: rcode.Text(reply.Rcode)}
	case len(reply.Answer) != 1:
		return nil, &ReplyError{Name: name, Reason: fmt.Sprintf("%d answers, want one", len(reply.Answer))}
	}
	txt, ok := reply.Answer[0].(*dns.TXT)
	if !ok {
		return nil, &ReplyError{Name: name, Reason: "the answer is not a TXT record"}
	}
	return txt.Txt, nil
}

// exchange queries addr for the TXT records of name in class CHAOS, over TCP if the reply does not
// fit into a datagram.
func exchange(ctx context.Context, addr, name string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	query := new(dns.Msg)
	query.SetQuestion(name, dns.TypeTXT)
	query.Question[0].Qclass = dns.ClassCHAOS
	query.SetEdns0(ednsSize, false)
	reply, _, err := (&dns.Client{Timeout: queryTimeout}).ExchangeContext(ctx, query, addr)
	if err == nil && reply.Truncated {
		reply, _, err = (&dns.Client{Net: "tcp", Timeout: queryTimeout}).ExchangeContext(ctx, query, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("query %s for %s: %w", addr, name, err)
	}
	return reply, nil
}

// parseServer reads "192.0.2.1#53 12 0".
func parseServer(text string) (Server, error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return Server{}, fmt.Errorf("%q has no address and two counters", text)
	}
	host, port, _ := strings.Cut(fields[0], "#")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return Server{}, fmt.Errorf("%q does not begin with an address", text)
	}
	var s Server
	portNumber, err := strconv.ParseUint(port, 10, 16)
	if err == nil {
		s.Queries, err = strconv.ParseUint(fields[1], 10, 64)
	}
	if err == nil {
		s.Failed, err = strconv.ParseUint(fields[2], 10, 64)
	}
	if err != nil {
		return Server{}, fmt.Errorf("%q has no number where one should be", text)
	}
	s.Address = netip.AddrPortFrom(addr, uint16(portNumber))
	return s, nil
}
