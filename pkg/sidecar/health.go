package sidecar

import (
	"encoding/json"
	"net/http"
	"time"
)

// healthDocument is the body of /healthcheck/<label>.
//
// Compat: the first three fields and their names are what monitoring reads.
type healthDocument struct {
	IsOk           bool
	LatencySeconds float64 // of the last probe; 0 when it did not succeed
	Err            string  // of the last probe; empty when it succeeded

	State          State
	Since          time.Time // since when State is what it is
	FailuresInARow int       // probes since the last one that succeeded
	LastRcode      string    // of the last probe's reply; empty without one
}

// ServeHTTP writes the state of the server as JSON. The status is 503 when a
// restart may help: not for a server that waits for its data.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	doc := healthDocument{
		IsOk:           h.state == OK,
		LatencySeconds: h.rtt.Seconds(),
		State:          h.state,
		Since:          h.since.UTC().Truncate(time.Millisecond),
		FailuresInARow: h.failures,
		LastRcode:      h.rcode,
	}
	if h.err != nil {
		doc.Err = h.err.Error()
	}
	status := http.StatusServiceUnavailable
	if h.state == OK || h.state == NotReady {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	// An error here is a client that went away: no one is left to answer.
	_ = enc.Encode(doc)
}

// probeState is h for readers of other packages.
func (h *health) probeState(t Target) ProbeState {
	state := ProbeState{
		Label: t.Label, Server: t.Server, State: h.state, Since: h.since, Latency: h.rtt, Failures: h.failures,
	}
	if h.err != nil {
		state.Err = h.err.Error()
	}
	return state
}
