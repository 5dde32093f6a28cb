package querylog

import (
	"cmp"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// A Sink receives entries from one goroutine. Put must not block, and must not retain the entry.
type Sink interface{ Put(e *Entry) }

// Options of a Log.
type Options struct {
	// Sample is the share of the queries that is sampled unless Start chooses another:
	// above 0 and at most 1. 0 means 1.
	Sample float64
	// Clients is the part of client addresses that is kept. "" means FullClients.
	Clients Clients
	// Always receives entries at all times, with their messages. nil: none.
	Always Sink
	// Metrics are the metrics of the log and its sinks. nil: they are not exported.
	Metrics *Metrics
	// Logger receives the lines. nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Sample = cmp.Or(o.Sample, 1)
	o.Clients = cmp.Or(o.Clients, FullClients)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	return o
}
