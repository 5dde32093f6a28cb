package skydns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A responder turns packets into replies, from the zone or through the forwarder. It is the slow
// path; the fast path answers some questions in the same way.
type responder struct {
	zone
	backlog
	metrics   *metrics
	tap       *querylog.Tap
	panicLog  throttle
	packLog   throttle
	holdUntil atomic.Pointer[time.Time]
}

// respond answers a packet of a client. It does not block.
func (s *responder) respond(raw []byte, from netip.Addr, via transport) (resp response) {
	start := time.Now()
	defer func() {
		if trouble := recover(); trouble != nil {
			resp = response{reply: s.recovered(raw, trouble)}
		}
	}()
	r, rcode := parse(raw, via)
	if r == nil {
		return response{}
	}
	r.from = from
	if rcode != dns.RcodeSuccess {
		packed, _ := fit(r.reply(rcode), minUDPSize)
		s.metrics.shared.count(0, outcome{series: series{system: systemNone, via: via, rcode: rcode}})
		s.sample(r, systemNone, rcode, packed, start)
		return response{reply: packed}
	}
	kind, rcode := s.classify(r)
	switch {
	case rcode != dns.RcodeSuccess:
		m := r.reply(rcode)
		if rcode == dns.RcodeRefused && r.question.Qtype == dns.TypeANY {
			m.RecursionDesired = false
		}
		return response{reply: s.finish(r, m, systemAuth, start)}
	case (kind == local || kind == reverse) && s.holds():
		return response{start: s.held(bytes.Clone(raw), from, via)}
	case kind == chaos:
		return response{reply: s.finish(r, s.answerChaos(r), systemAuth, start)}
	case kind == local:
		return s.respondLocal(r, start)
	case kind == reverse:
		if m := s.answerReverse(r); m != nil {
			return response{reply: s.finish(r, m, systemReverse, start)}
		}
		if r.question.Qtype == dns.TypePTR {
			return s.forward(r, systemReverse, start)
		}
	}
	return s.forward(r, systemRecursive, start)
}

// A kind of question is answered by one part of the server.
type kind int

const (
	local   kind = iota // the zone's records
	reverse             // the zone's reverse names, else an upstream
	outside             // an upstream
	chaos               // this server: class CHAOS
)

// classify decides by the question only; the first matching rule counts. An rcode other than
// NOERROR is the reply.
func (s *responder) classify(r *request) (kind, int) {
	qtype, class := r.question.Qtype, r.question.Qclass
	switch {
	case r.opt != nil && r.opt.version != 0:
		return local, dns.RcodeBadVers
	case qtype == dns.TypeANY || qtype == dns.TypeAXFR || qtype == dns.TypeIXFR:
		return local, dns.RcodeRefused // RFC 8482, RFC 5936
	case isMeta(qtype):
		return local, dns.RcodeNotImplemented
	case class == dns.ClassCHAOS && s.forwarder.TakesAll() && strings.HasSuffix(r.name, ".bind."):
		return outside, dns.RcodeSuccess
	case class == dns.ClassCHAOS:
		return chaos, dns.RcodeSuccess
	case class != dns.ClassINET && class != dns.ClassANY:
		return local, dns.RcodeRefused
	case isReverse(r.name):
		return reverse, dns.RcodeSuccess
	case !isBelow(r.name, s.domain), s.forwarder.TakesFrom(s.domain, r.name):
		return outside, dns.RcodeSuccess
	}
	return local, dns.RcodeSuccess
}

// respondLocal answers from the zone: immediately, or in the background if the answer needs another
// server or can visit every Service.
func (s *responder) respondLocal(r *request, start time.Time) response {
	m, err := s.answer(context.Background(), r, false) //nolint:forbidigo // it does not wait
	if !errors.Is(err, backend.ErrWouldWait) {
		return response{reply: s.finishLocal(r, m, err, start)}
	}
	r.raw = bytes.Clone(r.raw) // the packet's buffer is reused
	if r.lookUp != nil {
		return response{start: func(send func([]byte)) { s.goOn(r, start, send) }}
	}
	return response{wildcard: isWildcard(r.name), start: s.background(func(ctx context.Context, send func([]byte)) {
		send(s.guard(r.raw, func() []byte {
			m, err := s.answer(ctx, r, true)
			return s.finishLocal(r, m, err, start)
		}))
	})}
}

// goOn continues a search that needs other servers. No goroutine waits for them.
func (s *responder) goOn(r *request, start time.Time, send func(reply []byte)) {
	until := start.Add(searchTimeout)
	var then func(step func() (*dns.Msg, error))
	then = func(step func() (*dns.Msg, error)) {
		waits := false
		reply := s.guard(r.raw, func() []byte {
			m, err := step()
			if waits = errors.Is(err, backend.ErrWouldWait); waits {
				return nil
			}
			if m == nil {
				m = s.negative(r, dns.RcodeNameError)
			}
			return s.finishLocal(r, m, err, start)
		})
		switch {
		case waits:
			r.lookUp(until, then)
		case r.via == tcp: // the client may keep a goroutine waiting
			s.running.Go(func() { send(reply) })
		default:
			send(reply)
		}
	}
	r.lookUp(until, then)
}

func (s *responder) finishLocal(r *request, m *dns.Msg, err error, start time.Time) []byte {
	if err != nil {
		m = r.failure()
	} else {
		s.metrics.shared.misses.Add(1)
	}
	return s.finish(r, m, systemAuth, start)
}

// holds reports whether questions for the zone's names wait for data: none has arrived, and the
// time for the start is not over.
func (s *responder) holds() bool {
	until := s.holdUntil.Load()
	return until != nil && time.Now().Before(*until) && s.backend.Status() == backend.NotReady
}

// holdStep is the interval at which a held query checks for data.
const holdStep = 10 * time.Millisecond

// held answers a packet when data arrives, or when the hold is over.
func (s *responder) held(raw []byte, from netip.Addr, via transport) func(send func([]byte)) {
	return s.background(func(ctx context.Context, send func([]byte)) {
		ticker := time.NewTicker(holdStep)
		defer ticker.Stop()
		for s.holds() && ctx.Err() == nil {
			<-ticker.C
		}
		if resp := s.respond(raw, from, via); resp.start != nil {
			resp.start(send)
		} else {
			send(resp.reply)
		}
	})
}

// forward sends the packet to an upstream, unchanged.
func (s *responder) forward(r *request, sys system, start time.Time) response {
	if !s.forwarder.Takes(r.name) {
		return response{reply: s.finish(r, r.forwardFailure(), sys, start)}
	}
	if reply := s.forwarder.Cached(r.raw); reply != nil {
		return response{reply: s.passOn(r, reply, sys, start)}
	}
	r.raw = bytes.Clone(r.raw) // the packet's buffer is reused
	answer := func(reply []byte, err error) []byte {
		return s.guard(r.raw, func() []byte {
			if err != nil {
				s.log.Debug("cannot forward a query", "name", r.question.Name, "err", err)
				return s.finish(r, r.forwardFailure(), sys, start)
			}
			return s.passOn(r, reply, sys, start)
		})
	}
	if r.via == tcp {
		return response{start: s.background(func(ctx context.Context, send func([]byte)) {
			send(answer(s.forwarder.ForwardTCP(ctx, r.raw)))
		})}
	}
	return response{start: func(send func([]byte)) {
		s.forwarder.ForwardUDP(r.raw, func(reply []byte, err error) { send(answer(reply, err)) })
	}}
}

// passOn fits an upstream's reply to the client's size, and counts it.
func (s *responder) passOn(r *request, reply []byte, sys system, start time.Time) []byte {
	reply = fitForwarded(reply, r.limit())
	rcode := int(binary.BigEndian.Uint16(reply[2:]) & 0xf)
	s.metrics.shared.count(time.Since(start), outcome{series{sys, r.via, r.question.Qtype, rcode, false}, len(reply)})
	s.sample(r, sys, rcode, reply, start)
	return reply
}

// later completes a pending reply in the background, or sends SERVFAIL if too many are
// pending. send must not retain the reply.
func (s *responder) later(raw []byte, from netip.Addr, via transport, resp response, send func([]byte)) {
	if s.begin(from, resp, send) {
		return
	}
	s.metrics.overloads.Inc()
	if r, _ := parse(raw, via); r != nil {
		r.from = from
		send(s.finish(r, r.failure(), systemRecursive, time.Now()))
	}
}

// finish completes a reply, packs it for the client's size, and counts it.
func (s *responder) finish(r *request, m *dns.Msg, sys system, start time.Time) []byte {
	complete(m)
	s.keepFromCaches(r, m)
	if r.stale {
		markStale(m)
		s.metrics.stale.Inc()
	}
	packed, err := fit(m, r.limit())
	if err != nil {
		if s.packLog.allow() { // clients choose the rate
			s.log.Warn("cannot pack a reply", "name", r.question.Name,
				"type", dns.Type(r.question.Qtype).String(), "record", unpackable(m), "err", err)
		}
		m = r.failure()
		packed, _ = fit(m, minUDPSize)
	}
	s.metrics.shared.count(time.Since(start),
		outcome{series{sys, r.via, r.question.Qtype, m.Rcode, m.Truncated}, len(packed)})
	s.sample(r, sys, m.Rcode, packed, start)
	return packed
}

// paths are the names of the systems in the query log.
var paths = [systems + 1]querylog.Path{
	systemAuth: querylog.Zone, systemRecursive: querylog.Upstream, systemReverse: querylog.Reverse,
	systemNone: querylog.Refused,
}

// sample sends a share of the queries to the query log, with their replies.
func (s *responder) sample(r *request, sys system, rcode int, reply []byte, start time.Time) {
	draw, picked := s.tap.Pick()
	if !picked {
		return
	}
	s.tap.Put(querylog.Entry{
		Time: start, Client: r.from, TCP: r.via == tcp, Name: r.name, Type: r.question.Qtype,
		Rcode: rcode, Size: len(reply), Took: time.Since(start), Path: paths[sys],
		Message: s.tap.Message(reply), Draw: draw,
	})
}

// guard calls f, which answers the packet raw. After a panic it returns SERVFAIL.
func (s *responder) guard(raw []byte, f func() []byte) (reply []byte) {
	defer func() {
		if trouble := recover(); trouble != nil {
			reply = s.recovered(raw, trouble)
		}
	}()
	return f()
}

// recovered reports a panic and returns a SERVFAIL reply.
func (s *responder) recovered(raw []byte, trouble any) []byte {
	r, _ := parse(raw, udp)
	if r == nil {
		s.panicked("?", trouble)
		return nil
	}
	s.panicked(r.question.String(), trouble)
	packed, _ := fit(r.failure(), minUDPSize)
	return packed
}

// panicked counts a panic and logs it.
func (s *responder) panicked(question string, trouble any) {
	s.metrics.panics.Inc()
	if s.panicLog.allow() {
		s.log.Error("panic while answering", "question", question, "panic", trouble, "stack", string(debug.Stack()))
	}
}
