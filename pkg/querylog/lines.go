package querylog

import (
	"log/slog"
	"time"
)

// A gate lets the entries of a filter through, a bounded number in each second. It counts
// those above the bound. Only one goroutine may use it.
type gate struct {
	filter    Filter
	perSecond int
	dropped   counter

	second int64 // as Unix time
	passed int   // in this second
}

func (g *gate) takes(e *Entry) bool {
	if !g.filter.Takes(e) {
		return false
	}
	if now := time.Now().Unix(); now != g.second {
		g.second, g.passed = now, 0
	}
	if g.passed == g.perSecond {
		g.dropped.Inc()
		return false
	}
	g.passed++
	return true
}

// lines writes entries to the log.
type lines struct {
	gate

	log *slog.Logger
}

// Put logs an entry.
func (l *lines) Put(e *Entry) {
	if !l.takes(e) {
		return
	}
	l.log.Info("query", "client", clientText(e.Client), "proto", e.Proto(), "name", e.Name, "type", e.TypeText(),
		"rcode", e.RcodeText(), "bytes", e.Size, "seconds", e.Took.Seconds(), "path", string(e.Path))
}
