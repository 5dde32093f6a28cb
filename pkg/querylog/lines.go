package querylog

import (
	"log/slog"

	"golang.org/x/time/rate"
)

// lines writes entries to the log, a bounded number a second.
type lines struct {
	log     *slog.Logger
	filter  Filter
	bucket  *rate.Limiter
	dropped counter
}

func newLines(log *slog.Logger, f Filter, perSecond int, dropped counter) *lines {
	return &lines{log: log, filter: f, bucket: rate.NewLimiter(rate.Limit(perSecond), perSecond), dropped: dropped}
}

// Put logs an entry.
func (l *lines) Put(e *Entry) {
	if !l.filter.Takes(e) {
		return
	}
	if !l.bucket.Allow() {
		l.dropped.Inc()
		return
	}
	l.log.Info("query", "client", clientText(e.Client), "proto", e.Proto(), "name", e.Name, "type", e.TypeText(),
		"rcode", e.RcodeText(), "bytes", e.Size, "seconds", e.Took.Seconds(), "path", string(e.Path))
}
