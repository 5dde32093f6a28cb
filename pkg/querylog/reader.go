package querylog

import (
	"log/slog"
	"time"
)

// A reader gets the entries that a filter selects, up to a limit per second. It counts the rest.
type reader struct {
	filter    Filter
	perSecond int
	dropped   counter
	// take accepts an entry without blocking. It returns false if there are too many.
	take func(e *Entry) bool

	second int64 // as Unix time
	passed int   // in this second
}

func (r *reader) put(e *Entry) {
	if !r.filter.takes(e) {
		return
	}
	if now := time.Now().Unix(); now != r.second {
		r.second, r.passed = now, 0
	}
	if r.passed == r.perSecond || !r.take(e) {
		r.dropped.Inc()
		return
	}
	r.passed++
}

// logTo returns a function that writes an entry to a log.
func logTo(log *slog.Logger) func(e *Entry) bool {
	return func(e *Entry) bool {
		log.Info("query", "client", e.ClientText(), "proto", e.Proto(), "name", e.Name, "type", e.TypeText(),
			"rcode", e.RcodeText(), "bytes", e.Size, "seconds", e.Took.Seconds(), "path", string(e.Path))
		return true
	}
}

// maxQueued limits the lines that wait for the reader of a stream.
const maxQueued = 1024

// maxStreams limits the streams at a time.
const maxStreams = 4

// A line is an entry in the form of a stream.
type line struct {
	Time    string  `json:"time"` // RFC 3339
	Client  string  `json:"client"`
	Proto   string  `json:"proto"`
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	Rcode   string  `json:"rcode"`
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Path    string  `json:"path"`
}

// sendTo returns a function that queues an entry.
func sendTo(queue chan<- line) func(e *Entry) bool {
	return func(e *Entry) bool {
		select {
		case queue <- line{
			Time: e.Time.UTC().Format(time.RFC3339Nano), Client: e.ClientText(), Proto: e.Proto(), Name: e.Name,
			Type: e.TypeText(), Rcode: e.RcodeText(), Bytes: e.Size, Seconds: e.Took.Seconds(), Path: string(e.Path),
		}:
			return true
		default:
			return false
		}
	}
}
