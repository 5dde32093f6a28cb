package sidecar

import (
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
)

// A State is what a probe thinks of its server.
type State string

// The states of a server. Only OK means that it answers.
const (
	// Pending: no probe is done yet.
	Pending State = "pending"
	// OK: the last reply had records.
	OK State = "ok"
	// NotReady: the server lives, and reports that it waits for its data.
	NotReady State = "not ready"
	// Failed: silence, an error, or a reply without records.
	Failed State = "failed"
)

// A result is the outcome of one question.
type result struct {
	state State
	rtt   time.Duration // 0 unless state is OK
	rcode string        // of the reply; empty without one
	err   error         // nil when state is OK
}

// judge returns the State that the reply to a probe means. Records make it OK whatever a
// broken CNAME chain adds to it: NXDOMAIN may come with the CNAME that leads
// there (RFC 2308, section 2.1). An error rcode with records is an error.
func judge(reply *dns.Msg, rtt time.Duration) result {
	r := result{state: Failed, rcode: rcode.Text(reply.Rcode)}
	switch {
	case reply.Rcode == dns.RcodeServerFailure:
		ede := notReady(reply)
		if ede == nil {
			r.err = errors.New(r.rcode)
			break
		}
		r.state = NotReady
		r.err = fmt.Errorf("not ready: %s with Extended DNS Error %d", r.rcode, ede.InfoCode)
		if ede.ExtraText != "" {
			r.err = fmt.Errorf("%w (%s)", r.err, ede.ExtraText)
		}
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		r.err = errors.New(r.rcode)
	case len(reply.Answer) == 0:
		r.err = fmt.Errorf("no answer record (%s)", r.rcode)
	default:
		r.state, r.rtt = OK, rtt
	}
	return r
}

// notReady returns the Extended DNS Error 14 (Not Ready) of reply, or nil.
func notReady(reply *dns.Msg) *dns.EDNS0_EDE {
	opt := reply.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, option := range opt.Option {
		if ede, ok := option.(*dns.EDNS0_EDE); ok && ede.InfoCode == dns.ExtendedErrorCodeNotReady {
			return ede
		}
	}
	return nil
}

// A health is the state of a server and how long it has been so. Values are
// never changed; a probe replaces them whole.
type health struct {
	result
	since    time.Time // when state was last different
	failures int       // probes since the last one that was OK
}

// next returns the health after one more result, seen at now.
func (h health) next(r result, now time.Time) health {
	n := health{result: r, since: h.since, failures: h.failures + 1}
	if r.state != h.state {
		n.since = now
	}
	if r.state == OK {
		n.failures = 0
	}
	return n
}
