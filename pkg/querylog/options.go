package querylog

import (
	"cmp"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of a Log.
type Options struct {
	// Sample is the share of the queries that is sampled unless Start chooses another:
	// above 0 and at most 1. 0 means 1.
	Sample float64
	// Clients is how much of client addresses is kept. "" means FullClients.
	Clients Clients
	// Always gets entries all the time, with their messages. nil: none.
	Always Sink
	// Registerer registers the metrics. nil: they are not exported.
	Registerer prometheus.Registerer
	// Logger receives the lines. nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Sample = cmp.Or(o.Sample, 1)
	o.Clients = cmp.Or(o.Clients, FullClients)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	return o
}
