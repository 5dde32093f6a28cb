package querylog

import (
	"errors"
	"time"
)

// MaxDuration is the longest time that Start switches the log on for.
const MaxDuration = 15 * time.Minute

// Settings are what Start switches on.
type Settings struct {
	// For is how long the log is on, at most MaxDuration.
	For time.Duration
	// Sample is the share of the queries that is sampled, above 0 and at most 1.
	Sample float64
	// Lines is how many lines a second are logged; 0: none. Filter chooses them.
	Lines  int
	Filter Filter
}

// A session is the time from a Start to its end.
type session struct {
	Settings
	since, until time.Time
	top          *Top
	lines        *lines // nil: none
}

// has reports whether a sink belongs to the session.
func (s *session) has(sink Sink) bool {
	return s != nil && (sink == Sink(s.top) || s.lines != nil && sink == Sink(s.lines))
}

// ErrOff means that the query log is off.
var ErrOff = errors.New("the query log is off")

// A State describes the log.
type State struct {
	APIVersion string `json:"apiVersion"`
	On         bool   `json:"on"`
	// Since, Until, Sample and Lines are those of Start.
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Sample float64   `json:"sample,omitempty"`
	Lines  int       `json:"lines,omitempty"`
	// Clients is how much of client addresses is kept.
	Clients Clients `json:"clients"`
}
