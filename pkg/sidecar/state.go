package sidecar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
)

// A State is a probe's verdict on its server.
type State string

// The states of a server. Only OK means that it answers.
const (
	// Pending: no probe is done yet.
	Pending State = "pending"
	// OK: the last reply had records.
	OK State = "ok"
	// NotReady: the server lives, and reports that it waits for its data.
	NotReady State = "not ready"
	// Failed: no reply, an error, or a reply without records.
	Failed State = "failed"
)

// A ProbeState is the result of the last query of a probe, and the time since its last change. As
// JSON it is the body of /healthcheck/<label>. Values are immutable; a probe replaces them.
//
// Compat: monitoring reads IsOk, LatencySeconds and Err.
type ProbeState struct {
	Label   string        `json:"-"`
	Server  string        `json:"-"`
	Latency time.Duration `json:"-"` // 0 unless State is OK

	IsOk           bool
	LatencySeconds float64
	Err            string // empty when State is OK
	State          State
	Since          time.Time // when State last changed
	FailuresInARow int       // probes since the last one that was OK
	LastRcode      string    // of the reply; empty without one
}

// judge fills in the meaning of the reply to a probe. Records make it OK, whatever a broken CNAME
// chain adds: NXDOMAIN can have the CNAME that leads there (RFC 2308, section 2.1). An error rcode
// with records is an error.
func (s *ProbeState) judge(reply *dns.Msg, rtt time.Duration) {
	s.State, s.LastRcode = Failed, rcode.Text(reply.Rcode)
	ede := notReady(reply)
	switch {
	case reply.Rcode == dns.RcodeServerFailure && ede != nil:
		s.State = NotReady
		s.Err = fmt.Sprintf("not ready: %s with Extended DNS Error %d", s.LastRcode, ede.InfoCode)
		if ede.ExtraText != "" {
			s.Err += " (" + ede.ExtraText + ")"
		}
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		s.Err = s.LastRcode
	case len(reply.Answer) == 0:
		s.Err = fmt.Sprintf("no answer record (%s)", s.LastRcode)
	default:
		s.State, s.IsOk, s.Latency, s.LatencySeconds = OK, true, rtt, rtt.Seconds()
	}
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

// ServeHTTP writes the state as JSON. The status is 503 if a restart can help, so not for a server
// that waits for its data.
func (s *ProbeState) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if s.State != OK && s.State != NotReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // an error means that the client has disconnected
}
