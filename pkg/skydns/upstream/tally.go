package upstream

import (
	"time"

	"github.com/miekg/dns"
)

// A Failure is the reason why a server was of no use for a query.
type Failure int

// The failures.
const (
	// Timeout: the next server has been queried. The reply may still arrive.
	Timeout Failure = iota
	// Unreachable: the query could not be sent, or the network or the server refused it.
	Unreachable
	// Servfail, Refused and OtherCode are response codes. Another server is queried.
	Servfail
	Refused
	OtherCode
	// Malformed: the reply cannot be read.
	Malformed
	failures
)

// String returns the failure as a label.
func (f Failure) String() string {
	return [failures]string{"timeout", "unreachable", "servfail", "refused", "other_rcode", "malformed"}[f]
}

// failureOf returns the failure for a reply's response code.
func failureOf(reply []byte) Failure {
	switch int(reply[3] & 0xf) {
	case dns.RcodeServerFailure:
		return Servfail
	case dns.RcodeRefused:
		return Refused
	}
	return OtherCode
}

// replyBounds are the upper bounds of the buckets for the time to a reply.
var replyBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
}

// A tally counts the replies and failures of a server.
type tally struct {
	buckets  [len(replyBounds) + 1]uint64 // replies by their time
	took     time.Duration                // of all replies
	failures [failures]uint64
}

func (t *tally) observe(took time.Duration) {
	i := 0
	for i < len(replyBounds) && took > replyBounds[i] {
		i++
	}
	t.buckets[i]++
	t.took += took
}

// Replies are the replies of a server and their time.
type Replies struct {
	Count uint64
	Took  time.Duration
	// Within counts the replies up to each upper bound, in seconds.
	Within map[float64]uint64
}

func (t *tally) replies() Replies {
	r := Replies{Took: t.took, Within: map[float64]uint64{}}
	for i, n := range t.buckets {
		r.Count += n
		if i < len(replyBounds) {
			r.Within[replyBounds[i].Seconds()] = r.Count
		}
	}
	return r
}

func (t *tally) byFailure() map[Failure]uint64 {
	counts := make(map[Failure]uint64, failures)
	for why, n := range t.failures {
		counts[Failure(why)] = n
	}
	return counts
}
