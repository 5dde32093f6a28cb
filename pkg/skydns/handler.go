package skydns

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A response is what respond has for a packet: the reply, or one of two
// functions that get it. Neither: no reply is due.
type response struct {
	reply []byte
	// wait may have to wait, so it needs a goroutine.
	wait func(context.Context) []byte
	// start returns at once; done is told the reply, which is valid until it
	// returns, by whoever got it.
	start func(done func(reply []byte))
	// wildcard marks a query that may visit every Service.
	wildcard bool
}

// due says whether the reply is still to come.
func (r response) due() bool { return r.wait != nil || r.start != nil }

// respond answers a packet. It does not wait for anything.
func (s *Server) respond(raw []byte, tcp bool) (resp response) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			resp = response{reply: s.recovered(raw, p)}
		}
	}()
	req, refused := parse(raw, tcp)
	if req == nil {
		if refused == nil {
			return response{}
		}
		packed, _ := fit(refused, minUDPSize)
		s.metrics.refused(refused, tcp)
		return response{reply: packed}
	}
	what := s.classify(req)
	if (what == local || what == reverse) && s.holds() {
		return response{wait: s.held(bytes.Clone(raw), tcp)}
	}
	if what != local {
		return s.respondElsewhere(req, what, start)
	}
	m, err := s.answer(s.impatient, req)
	if errors.Is(err, context.Canceled) {
		// The packet's buffer is not ours once we return.
		req.raw = bytes.Clone(raw)
		return response{wildcard: strings.Contains(req.name, "*"), wait: s.guarded(req.raw, func(ctx context.Context) []byte {
			m, err := s.answer(ctx, req)
			if err != nil {
				m = s.failure(req)
			}
			return s.finish(req, m, systemAuth, start)
		})}
	}
	return response{reply: s.finish(req, m, systemAuth, start)}
}

// holds says whether questions about our names have to wait for data: there is
// none, and the start is not over.
func (s *Server) holds() bool {
	until := s.holdUntil.Load()
	return until != nil && time.Now().Before(*until) && s.backend.Status() == backend.NotReady
}

// holdStep is how often a question that waits looks for data.
const holdStep = 10 * time.Millisecond

// held answers a packet when there is data, or no hope of it.
func (s *Server) held(raw []byte, tcp bool) func(context.Context) []byte {
	return s.guarded(raw, func(ctx context.Context) []byte {
		ticker := time.NewTicker(holdStep)
		defer ticker.Stop()
		for s.holds() && ctx.Err() == nil {
			<-ticker.C
		}
		resp := s.respond(raw, tcp)
		switch {
		case resp.wait != nil:
			return resp.wait(ctx)
		case resp.start != nil:
			replies := make(chan []byte, 1) // from the forwarder, which has its own end
			resp.start(func(reply []byte) { replies <- bytes.Clone(reply) })
			return <-replies
		}
		return resp.reply
	})
}

// respondElsewhere answers what is not for the zone's records.
func (s *Server) respondElsewhere(req *request, what kind, start time.Time) response {
	switch what {
	case chaos:
		return response{reply: s.finish(req, s.answerChaos(req), systemAuth, start)}
	case refused:
		m := req.reply()
		m.Rcode = dns.RcodeRefused
		m.RecursionDesired = m.RecursionDesired && req.q.Qtype != dns.TypeANY
		return response{reply: s.finish(req, m, systemAuth, start)}
	case unsupported:
		m := req.reply()
		m.Rcode = dns.RcodeNotImplemented
		return response{reply: s.finish(req, m, systemAuth, start)}
	case badVersion:
		m := req.reply()
		m.Rcode = dns.RcodeBadVers
		return response{reply: s.finish(req, m, systemAuth, start)}
	case reverse:
		if m := s.answerReverse(req); m != nil {
			return response{reply: s.finish(req, m, systemReverse, start)}
		}
		if req.q.Qtype != dns.TypePTR {
			return s.forward(req, systemRecursive, start)
		}
		return s.forward(req, systemReverse, start)
	default:
		return s.forward(req, systemRecursive, start)
	}
}

// forward hands the packet to the forwarder, unchanged.
func (s *Server) forward(req *request, sys system, start time.Time) response {
	if !s.forwarder.takes(req.name) {
		return response{reply: s.finish(req, s.forwardFailure(req), sys, start)}
	}
	raw := bytes.Clone(req.raw)
	req.raw = raw
	answer := func(reply []byte, err error) []byte {
		if err != nil {
			s.log.Debug("forwarding failed", "name", req.q.Name, "err", err)
			return s.finish(req, s.forwardFailure(req), sys, start)
		}
		reply = fitForwarded(reply, req.limit())
		s.metrics.forwarded(reply, req, sys, time.Since(start))
		return reply
	}
	if req.tcp {
		return response{wait: s.guarded(raw, func(ctx context.Context) []byte { return answer(s.forwarder.Forward(ctx, raw, true)) })}
	}
	return response{start: func(done func([]byte)) {
		s.forwarder.start(raw, func(reply []byte, err error) {
			done(s.guard(raw, func() []byte { return answer(reply, err) }))
		})
	}}
}

// guarded makes f, which answers the packet raw, safe against panics.
func (s *Server) guarded(raw []byte, f func(context.Context) []byte) func(context.Context) []byte {
	return func(ctx context.Context) []byte {
		return s.guard(raw, func() []byte { return f(ctx) })
	}
}

// guard calls f, which answers the packet raw; a panic is answered, too.
func (s *Server) guard(raw []byte, f func() []byte) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			reply = s.recovered(raw, p)
		}
	}()
	return f()
}

// recovered answers SERVFAIL after a panic, which is ours alone to worry about.
func (s *Server) recovered(raw []byte, p any) []byte {
	m := refusal(raw, dns.RcodeServerFailure)
	question := "?"
	if len(m.Question) > 0 {
		question = m.Question[0].String()
	}
	s.panicked(question, p)
	packed, _ := fit(m, minUDPSize)
	return packed
}

// panicked counts a panic and logs it.
func (s *Server) panicked(question string, p any) {
	s.metrics.panics.Inc()
	if s.panicLog.allow(time.Now()) {
		s.log.Error("panic while answering", "question", question, "panic", p, "stack", string(debug.Stack()))
	}
}

// overloaded answers a request for which there is no room.
func (s *Server) overloaded(raw []byte, tcp bool) []byte {
	s.metrics.overloads.Inc()
	req, _ := parse(raw, tcp)
	if req == nil {
		return nil
	}
	return s.finish(req, s.failure(req), systemRecursive, time.Now())
}

// A kind says who answers a question.
type kind int

const (
	local       kind = iota // the zone's records
	reverse                 // a reverse name: ours if we have it, else forwarded
	outside                 // another server
	chaos                   // class CHAOS: about this server
	refused                 // nobody: REFUSED
	unsupported             // nobody: NOTIMP
	badVersion              // an EDNS version that we do not speak
)

// classify decides by the question alone; the first rule that fits counts.
func (s *Server) classify(r *request) kind {
	isChaos := r.q.Qclass == dns.ClassCHAOS
	switch {
	case r.opt != nil && r.opt.version != 0:
		return badVersion
	case r.q.Qtype == dns.TypeANY || r.q.Qtype == dns.TypeAXFR || r.q.Qtype == dns.TypeIXFR:
		return refused // RFC 8482, RFC 5936
	case isMeta(r.q.Qtype):
		return unsupported
	case r.q.Qclass != dns.ClassINET && r.q.Qclass != dns.ClassANY && !isChaos:
		return refused
	case isChaos && s.forwarder.takesAll() && strings.HasSuffix(r.name, ".bind."):
		return outside
	case isChaos:
		return chaos
	case strings.HasSuffix(r.name, ".in-addr.arpa.") || strings.HasSuffix(r.name, ".ip6.arpa."):
		return reverse
	case !isBelow(r.name, s.domain), s.forwarder.takesFrom(s.domain, r.name):
		return outside
	}
	return local
}

// reply is an empty reply to a request.
func (r *request) reply() *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(r.msg)
	m.RecursionDesired = r.msg.RecursionDesired
	m.CheckingDisabled = r.msg.CheckingDisabled
	if r.opt != nil {
		m.Extra = []dns.RR{r.opt.reply()}
	}
	return m
}

// authoritative is an empty reply with data of the zone to come.
func (r *request) authoritative() *dns.Msg {
	m := r.reply()
	m.Authoritative, m.RecursionAvailable = true, true
	return m
}

// failure is SERVFAIL about a name of the zone.
func (s *Server) failure(r *request) *dns.Msg {
	m := r.reply()
	m.Rcode = dns.RcodeServerFailure
	return m
}

// forwardFailure is SERVFAIL about a name for which no other server answered.
func (s *Server) forwardFailure(r *request) *dns.Msg {
	m := s.failure(r)
	m.RecursionAvailable = true
	return m
}

// notReady is SERVFAIL because there is no data yet (RFC 8914 section 4.15).
func (s *Server) notReady(r *request) *dns.Msg {
	m := s.failure(r)
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady, ExtraText: "waiting for the first list of services"})
	}
	return m
}

// answerReverse answers a question for a reverse name, or returns nil for a name
// that is not ours and must be forwarded. A name that is ours exists for every type
// (RFC 8020): a resolver that minimises names (RFC 9156) asks for other types first.
func (s *Server) answerReverse(r *request) *dns.Msg {
	status := s.backend.Status()
	if status == backend.NotReady {
		return s.notReady(r)
	}
	r.stale = status == backend.Stale
	rs, err := s.reverseRecords(r.name, r.q.Qtype)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return nil
	case errors.Is(err, backend.ErrNotReady):
		return s.notReady(r)
	case err != nil:
		return s.failure(r)
	}
	m := r.reply()
	// Compat: we hold only a part of the reverse zone, so AA stays clear.
	m.RecursionAvailable = true
	for _, rec := range rs {
		m.Answer = append(m.Answer, rr(rec, r.q.Name))
	}
	return m
}

// reverseRecords returns the PTR records at a reverse name, or none without an
// error (NODATA) where a resolver that minimises names (RFC 9156) asks on its way
// to them. All else is forwarded, with ErrNotFound: upstream kube-dns does so.
func (s *Server) reverseRecords(name string, qtype uint16) ([]backend.Record, error) {
	prefix, isPrefix := reversePrefix(name)
	addr, isAddr := reverseAddr(name)
	switch {
	case isPrefix && qtype != dns.TypePTR:
		return nil, s.backend.ReverseBelow(prefix)
	case isAddr && qtype == dns.TypePTR:
		return s.backend.ReverseRecords(addr)
	case isAddr && minimises(qtype, addr):
		_, err := s.backend.ReverseRecords(addr)
		return nil, err
	}
	return nil, backend.ErrNotFound
}

// minimises reports whether resolvers use a type to find out if the name of an
// address exists. Compat: A below ip6.arpa is forwarded.
func minimises(qtype uint16, addr netip.Addr) bool {
	return qtype == dns.TypeNS || qtype == dns.TypeAAAA || qtype == dns.TypeA && addr.Is4()
}
