package upstream

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// resolved returns the servers of a way, and false if their names must be looked up.
func (f *Forwarder) resolved(w way) ([]netip.AddrPort, bool) {
	if len(w.stub) == 0 {
		return f.upstreams(w.routes), true
	}
	return f.hosts.resolve(w.stub, nil)
}

// lookupQuery returns the server's own query for a name. Its ID is 0, so that equal queries are
// joined: each try has its own ID.
func lookupQuery(name string, qtype uint16) ([]byte, error) {
	query := make([]byte, wire.HeaderSize+len(name)+1, wire.HeaderSize+len(name)+1+4+wire.OPTSize)
	query[2], query[5], query[11] = 1, 1, 1 // RD, a question, and OPT
	end, err := dns.PackDomainName(name, query, wire.HeaderSize, nil, false)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	query = binary.BigEndian.AppendUint16(query[:end], qtype)
	query = binary.BigEndian.AppendUint16(query, dns.ClassINET)
	return append(query, 0, 0, byte(dns.TypeOPT), ednsSize>>8, ednsSize&0xff, 0, 0, 0, 0, 0, 0), nil
}

func unpackLookup(name string, reply []byte) (*dns.Msg, error) {
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return m, nil
}

// lookupDeadline returns the deadline of a look-up.
func lookupDeadline(ctx context.Context) time.Time {
	until := time.Now().Add(exchangeTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(until) {
		until = sooner
	}
	return until
}

// resolve returns the servers of a way. It can look up the names of stub servers.
func (f *Forwarder) resolve(ctx context.Context, w way) []netip.AddrPort {
	if len(w.stub) == 0 {
		return f.upstreams(w.routes)
	}
	servers, _ := f.hosts.resolve(w.stub, func(host string) []netip.Addr {
		if f.inZone != nil {
			if addrs, ok := f.inZone(ctx, host); ok {
				return addrs
			}
		}
		return f.lookupHost(ctx, w.routes.upstreams, host)
	})
	return servers
}

// lookupHost queries the upstreams, never a stub domain, whose server might be the one to look up.
func (f *Forwarder) lookupHost(ctx context.Context, upstreams []netip.AddrPort, host string) []netip.Addr {
	var addrs []netip.Addr
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		query, err := lookupQuery(host, qtype)
		if err != nil {
			return nil
		}
		reply, err := f.exchange(ctx, upstreams, query, lookupDeadline(ctx))
		if err != nil {
			continue
		}
		if m, err := unpackLookup(host, reply); err == nil {
			addrs = append(addrs, Addresses(m.Answer)...)
		}
	}
	return addrs
}
