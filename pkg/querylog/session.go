package querylog

import (
	"errors"
	"time"
)

// MaxDuration is the longest time that Start switches the log on for.
const MaxDuration = 15 * time.Minute

// Settings are the settings of a Start.
type Settings struct {
	// For is how long the log is on, at most MaxDuration.
	For time.Duration
	// Sample is the share of the queries that is sampled, above 0 and at most 1.
	Sample float64
	// Lines is the number of lines logged per second; 0: none. Filter selects them.
	Lines  int
	Filter Filter
}

// A session is the time from a Start to its end.
type session struct {
	Settings
	since, until time.Time
	top          *top
	lines        *reader          // nil: none
	streams      map[*reader]bool // they remain when the log is restarted
	ended        chan struct{}    // closed at the end
}

// newSession returns the session that follows another one; nil: none.
func newSession(s Settings, old *session, now time.Time) *session {
	next := &session{Settings: s, since: now, until: now.Add(s.For), top: newTop(s.Sample, now)}
	if old == nil {
		next.streams, next.ended = map[*reader]bool{}, make(chan struct{})
		return next
	}
	next.streams, next.ended = old.streams, old.ended
	if old.Sample == s.Sample {
		next.since, next.top = old.since, old.top
	}
	return next
}

func (s *session) put(e *Entry) {
	s.top.put(e)
	if s.lines != nil {
		s.lines.put(e)
	}
	for stream := range s.streams {
		stream.put(e)
	}
}

// ErrOff means that the query log is off.
var ErrOff = errors.New("the query log is off")

// errManyStreams means that a stream must wait until another one is closed.
var errManyStreams = errors.New("too many readers follow the queries already")

// A State describes the log.
type State struct {
	APIVersion string `json:"apiVersion"`
	On         bool   `json:"on"`
	// Since, Until, Sample and Lines are from the last Start.
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Sample float64   `json:"sample,omitempty"`
	Lines  int       `json:"lines,omitempty"`
	// Clients is the part of client addresses that is kept.
	Clients Clients `json:"clients"`
}
