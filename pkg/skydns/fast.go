package skydns

import (
	"net/netip"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// answerAll sets the replies to the packets of a batch, except those that need the slow path.
func (f *fastPath) answerAll(batch []udpbatch.Packet) {
	f.received = time.Now()
	for i := range batch {
		p := &batch[i]
		if p.Reply = f.answer(p.Data, p.Room); p.Reply == nil {
			continue
		}
		if draw, picked := f.tap.Pick(); picked {
			f.sample(draw, p.Route.Source(), p.Reply)
		}
	}
	f.count()
}

// count counts the replies since the last call, with one clock reading for all.
func (f *fastPath) count() {
	took := time.Since(f.received)
	f.counts.count(took, f.outcomes...)
	f.counts.misses.Add(f.misses)
	f.outcomes, f.misses = f.outcomes[:0], 0
	if len(f.sampled) > 0 {
		for i := range f.sampled {
			f.sampled[i].Took = took
		}
		f.tap.Put(f.sampled...)
		clear(f.sampled)
		f.sampled = f.sampled[:0]
	}
}

// sample records the last query with its reply.
func (f *fastPath) sample(draw uint32, from netip.Addr, reply []byte) {
	f.sampled = append(f.sampled, querylog.Entry{
		Time: f.received, Client: from, TCP: f.via == tcp, Name: string(f.query.Name), Type: f.query.Type,
		Rcode: f.outcomes[len(f.outcomes)-1].rcode, Size: len(reply), Path: querylog.Fast,
		Message: f.tap.Message(reply), Draw: draw,
	})
}

// answer returns the reply to a packet, in room if it fits, or nil if the slow path must answer.
func (f *fastPath) answer(packet, room []byte) []byte {
	q := &f.query
	if !q.Parse(packet) || !isPlainType(q.Type) {
		return nil
	}
	var plain backend.Plain
	name := unsafe.String(&q.Name[0], len(q.Name)) // valid until the next Parse
	if isBelow(name, f.zone.domain) {
		if f.zone.forwarder.TakesFrom(f.zone.domain, name) {
			return nil
		}
		plain = f.backend.PlainRecords(name, q.Type)
	} else if q.Type == dns.TypePTR {
		if addr, ok := reverseAddr(name); ok {
			plain = f.backend.PlainReverse(addr)
		}
	}
	switch plain.Kind {
	case backend.PlainAddresses:
		f.reply.Begin(room, packet, q, wire.Success)
		return f.answerAddresses(&plain, 0)
	case backend.PlainTargets:
		return f.answerTargets(packet, room, name, &plain)
	case backend.PlainName:
		return f.answerName(packet, room, &plain)
	case backend.PlainNoData:
		return f.answerNegative(packet, room, wire.Success)
	case backend.PlainNotFound:
		if asked, _, searched := f.zone.autopath.first(name, q.Type); searched {
			return f.search(packet, room, asked, name[len(asked)+1:])
		}
		return f.answerNegative(packet, room, wire.NameError)
	default:
		return nil
	}
}

// isPlainType reports whether the fast path can answer questions for a type. The other types have
// special rules.
func isPlainType(qtype uint16) bool {
	switch qtype {
	case dns.TypeSOA, dns.TypeNS, dns.TypeTXT:
		return false
	}
	return !isMeta(qtype)
}
