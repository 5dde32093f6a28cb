package skydns

import (
	"math/rand/v2"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// A fastPath answers plain questions from bytes to bytes, without a message of the library. Its
// answers equal those of the slow path, except for the order of records; a test compares the two.
// Only one goroutine may use it.
type fastPath struct {
	zone     *zone
	backend  backend.PlainBackend
	counts   *counters
	via      transport
	soa      *wire.SOA
	tap      *querylog.Tap
	received time.Time        // of the packets that are answered
	outcomes []outcome        // of their replies
	misses   uint64           // among them
	sampled  []querylog.Entry // of some of them

	// These are reused for each query.
	query  wire.Query
	reply  wire.Reply
	target backend.Target
	text   []byte // a name
}

// newFastPath returns nil when the backend cannot answer plain questions.
func newFastPath(z *zone, c *counters, tap *querylog.Tap, via transport) *fastPath {
	plain, ok := z.backend.(backend.PlainBackend)
	if !ok {
		return nil
	}
	soa := z.soa(negativeTTL)
	return &fastPath{
		zone: z, backend: plain, counts: c, tap: tap, via: via,
		soa: wire.NewSOA(z.domain, soa.Ns, soa.Mbox, negativeTTL, soa.Refresh, soa.Retry, soa.Expire, soa.Minttl),
	}
}

// limit returns the maximum size of the reply, less an OPT record.
func (f *fastPath) limit() int {
	limit := min(f.query.Size, maxUDPSize)
	if f.via == tcp {
		limit = maxTCPSize
	}
	if f.query.OPT {
		limit -= wire.OPTSize
	}
	return limit
}

// done completes a reply with rcode. Compat: each reply about the zone counts as a miss of the
// cache that upstream kube-dns had.
func (f *fastPath) done(sys system, rcode int, truncated bool) []byte {
	if f.query.OPT {
		f.reply.OPT(ednsSize, f.query.DO)
	}
	if sys == systemAuth {
		f.misses++
	}
	f.outcomes = append(f.outcomes, outcome{series{sys, f.via, f.query.Type, rcode, truncated}, len(f.reply.Buf)})
	return f.reply.Buf
}

// answerAddresses adds addresses to the reply, after its aliases.
func (f *fastPath) answerAddresses(plain *backend.Plain, aliases int) []byte {
	size := 4
	if f.query.Type == dns.TypeAAAA {
		size = 16
	}
	count := len(plain.Addrs) / size
	n := min(count, (f.limit()-len(f.reply.Buf))/(wire.AddressOverhead+size))
	first := 0
	if count > 1 {
		first = rand.IntN(count)
	}
	f.reply.Answers(aliases + n)
	f.reply.Addresses(f.query.Type, plain.TTL, plain.Addrs, size, first, n)
	if n < count {
		f.reply.Truncate()
	}
	return f.done(systemAuth, wire.Success, n < count)
}

func (f *fastPath) answerNegative(packet, room []byte, rcode byte) []byte {
	f.reply.Begin(room, packet, &f.query, rcode)
	return f.endNegative(rcode)
}

// endNegative adds the SOA record to a negative reply.
func (f *fastPath) endNegative(rcode byte) []byte {
	f.reply.SOA(f.soa, &f.query, uint32(f.received.Unix()/3600*3600))
	return f.done(systemAuth, int(rcode), false)
}

// answerTargets starts at a random record. It omits the addresses of the targets if they do not all
// fit, as fit does.
func (f *fastPath) answerTargets(packet, room []byte, name string, plain *backend.Plain) []byte {
	targets, t, limit := plain.Targets, &f.target, f.limit()
	total, at := targets.CountTargets(plain.Port), 0
	if total > 1 {
		at = targets.SeekTarget(plain.Port, rand.IntN(total))
	}
	f.reply.Begin(room, packet, &f.query, wire.Success)
	n, first, last, most := 0, 0, 0, limit/minRecordSize+1
	for ; n < total; n++ {
		at = targets.NextTarget(plain.Port, at, most, t)
		if n == 0 {
			host := name[len(name)-len(t.Host):] // as t.Host, but it is in the processor's cache
			f.reply.BeginSRV(limit, plain.TTL, srvPriority, weightOf(total), host, &f.query)
			first = t.ID
		}
		if !f.reply.SRV(t.Port, t.Label) {
			break
		}
		if n == 0 || t.ID != last && t.ID != first {
			f.reply.Additional(dns.TypeA, t.A, 4)
			f.reply.Additional(dns.TypeAAAA, t.AAAA, 16)
		}
		last = t.ID
	}
	f.reply.Answers(n)
	if n < total {
		f.reply.Truncate()
	} else {
		f.reply.EndSRV()
	}
	return f.done(systemAuth, wire.Success, n < total)
}

func (f *fastPath) answerName(packet, room []byte, plain *backend.Plain) []byte {
	f.reply.Begin(room, packet, &f.query, wire.Success)
	f.reply.NotAuthoritative()
	f.reply.Answers(1)
	f.reply.Name(dns.TypePTR, plain.TTL, plain.Label, plain.Host)
	if len(f.reply.Buf) > f.limit() {
		return nil
	}
	return f.done(systemReverse, wire.Success, false)
}
