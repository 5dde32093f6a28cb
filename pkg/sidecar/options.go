package sidecar

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

const defaultPollInterval = 5 * time.Second

// Options say what a Server does. The zero value is a server that watches
// nothing.
type Options struct {
	// Targets are the probes. No two may have the same label.
	Targets []Target
	// Exchange asks for the probes. Nil: over the network.
	Exchange Exchange

	// Stats reads dnsmasq's counters. Nil: dnsmasq is not polled.
	Stats func(context.Context) (chaos.Stats, error)
	// Upstreams reads dnsmasq's counters of each of its upstream servers, right
	// after Stats. Nil: there are no metrics of upstream servers.
	Upstreams func(context.Context) ([]chaos.Server, error)
	// PollInterval is the pause between two polls of dnsmasq. Zero: 5 seconds.
	PollInterval time.Duration

	// Metrics receives what is measured. Nil: it is not exported.
	Metrics *Metrics
	// MetricsPath is where MetricsHandler answers. The paths of the Server come
	// first. Empty: nowhere.
	MetricsPath    string
	MetricsHandler http.Handler

	// Log receives changes at Info and above, details at Debug. Nil: nothing is
	// logged.
	Log *slog.Logger
}

// withDefaults returns o without zero values, or an error that names what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	seen := make(map[string]bool)
	for _, t := range o.Targets {
		if seen[t.Label] {
			return Options{}, fmt.Errorf("two probes have the label %q", t.Label)
		}
		seen[t.Label] = true
		if t.Interval <= 0 {
			return Options{}, fmt.Errorf("probe %s: the interval %v is not positive", t.Label, t.Interval)
		}
	}
	if o.Exchange == nil {
		o.Exchange = exchange
	}
	o.PollInterval = cmp.Or(o.PollInterval, defaultPollInterval)
	o.Metrics = cmp.Or(o.Metrics, NewMetrics(nil, ""))
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o, nil
}
