package skydns

import (
	"strings"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// search is newSearch and search.run for plain answers of the zone and cached replies. namespace is
// the suffix of the question's name, from the pod's namespace on.
func (f *fastPath) search(packet, room []byte, asked, namespace string) []byte {
	first, _, _ := strings.Cut(asked, ".")
	last := asked[strings.LastIndexByte(asked, '.')+1:]
	services, begins, ends := f.kindOf(namespace), f.kindOf(f.join(first, namespace)), f.kindOf(f.join(last, namespace))
	switch {
	case services == backend.PlainUnknown || begins == backend.PlainUnknown || ends == backend.PlainUnknown:
		return nil
	case services == backend.PlainNotFound || begins != backend.PlainNotFound || ends != backend.PlainNotFound:
		return f.answerNegative(packet, room, wire.NameError)
	}
	ttl := uint32(negativeTTL)
	for _, domain := range f.zone.autopath.domains {
		candidate := f.join(asked, domain)
		if !f.zone.outside(candidate) {
			plain := f.backend.PlainRecords(candidate, f.query.Type)
			if plain.Kind != backend.PlainNotFound {
				return f.leadInside(packet, room, candidate, ttl, &plain)
			}
			continue
		}
		denial, denied := f.zone.forwarder.Denied(candidate)
		if !denied {
			return f.leadOutside(packet, room, candidate, ttl)
		}
		ttl = min(ttl, denial)
	}
	return f.answerNegative(packet, room, wire.NameError)
}

// join returns left.right, which is valid until the next call.
func (f *fastPath) join(left, right string) string {
	f.text = append(append(append(f.text[:0], left...), '.'), right...)
	return unsafe.String(&f.text[0], len(f.text))
}

func (f *fastPath) kindOf(name string) backend.PlainKind {
	return f.backend.PlainRecords(name, dns.TypeA).Kind
}

// leadInside replies with a name of the zone and its addresses.
func (f *fastPath) leadInside(packet, room []byte, name string, ttl uint32, plain *backend.Plain) []byte {
	isAddress := plain.Kind == backend.PlainAddresses
	if isAddress {
		ttl = min(ttl, plain.TTL)
	} else if other := dns.TypeA + dns.TypeAAAA - f.query.Type; plain.Kind != backend.PlainNoData ||
		ttl != negativeTTL || f.backend.PlainRecords(name, other).Kind != backend.PlainAddresses {
		return nil
	}
	f.reply.Begin(room, packet, &f.query, wire.Success)
	f.reply.Alias(ttl, name)
	switch {
	case len(f.reply.Buf)+maxSOASize > f.limit():
		return nil
	case isAddress:
		return f.answerAddresses(plain, 1)
	}
	return f.endNegative(wire.Success)
}

// maxSOASize is an upper bound of the size of the zone's SOA record.
const maxSOASize = 100

// leadOutside replies with a name outside the zone and the cached records of both families.
func (f *fastPath) leadOutside(packet, room []byte, name string, ttl uint32) []byte {
	a, ok := f.cached(name, dns.TypeA)
	if !ok || a.Rcode != wire.Success {
		return nil
	}
	own, found := a, a.Type == dns.TypeA
	if f.query.Type == dns.TypeAAAA || !found {
		aaaa, ok := f.cached(name, dns.TypeAAAA)
		if !ok {
			return nil
		}
		found = found || aaaa.Rcode == wire.Success && aaaa.Type == dns.TypeAAAA
		if f.query.Type == dns.TypeAAAA {
			own = aaaa
		}
	}
	if !found {
		return nil // clients differ there
	}
	negative := min(ttl, own.NegativeTTL)
	ttl = min(negative, own.TTL)
	if own.Answers > 0 {
		ttl = min(ttl, targetTTL)
	}
	if f.via == tcp {
		ttl = 0 // as in keepFromCaches
	}
	f.reply.Begin(room, packet, &f.query, wire.Success)
	f.reply.Alias(ttl, name)
	if f.via == udp {
		f.reply.CheckingDisabled()
	}
	if !f.reply.Copy(&own, ttl, negative, f.limit()) {
		return nil
	}
	return f.done(systemAuth, wire.Success, false)
}

// cached returns the cached reply to a question.
func (f *fastPath) cached(name string, qtype uint16) (wire.Source, bool) {
	reply := f.zone.forwarder.CachedReply(name, qtype)
	if reply == nil {
		return wire.Source{}, false
	}
	return wire.ReadSource(reply)
}
