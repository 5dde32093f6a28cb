package querylog

import "time"

// A Line is an entry as a reader of a stream gets it.
type Line struct {
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

// maxQueued is how many lines wait for the reader of a stream.
const maxQueued = 1024

// maxReaders is how many streams there are at a time.
const maxReaders = 4

// A stream queues lines for one reader.
type stream struct {
	gate

	queue chan Line
}

// Put queues an entry, unless there are too many.
func (s *stream) Put(e *Entry) {
	if !s.takes(e) {
		return
	}
	line := Line{
		Time: e.Time.UTC().Format(time.RFC3339Nano), Client: clientText(e.Client), Proto: e.Proto(), Name: e.Name,
		Type: e.TypeText(), Rcode: e.RcodeText(), Bytes: e.Size, Seconds: e.Took.Seconds(), Path: string(e.Path),
	}
	select {
	case s.queue <- line:
	default:
		s.dropped.Inc()
	}
}
