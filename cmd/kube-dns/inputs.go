package main

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
)

// inputs are the sources of the objects and of the configuration.
type inputs struct {
	objects kubedns.Source
	config  config.Source
	// waitingFor returns in one line what the first list waits for, and why.
	waitingFor func() string
	// failing reports whether lists currently fail. confirmed returns when data last arrived.
	// trouble returns in one line why changes do not arrive, or "". alive returns an error if
	// changes make no progress. All are nil for files.
	failing   func() bool
	confirmed func(now time.Time) time.Time
	trouble   func() string
	alive     func(now time.Time) error
	// parts returns the parts of the status page.
	parts func() []statuspage.Part
}

// newInputs returns the sources that the flags choose.
func newInputs(o *options, reg prometheus.Registerer, log *slog.Logger) (inputs, error) {
	if o.manifests != "" {
		m := &manifest.Source{Dir: o.manifests, Log: log}
		return inputs{
			objects: m, config: localConfig(o),
			parts:      func() []statuspage.Part { return []statuspage.Part{manifestPart(m)} },
			waitingFor: func() string { return cmp.Or(manifestTrouble(m), "reading the manifests in "+m.Dir) },
		}, nil
	}
	client, err := kube.NewClient(kube.ClientOptions{
		Kubeconfig: o.kubeconfig, MasterURL: o.masterURL, Version: cli.Version(), Log: log,
	})
	if err != nil {
		return inputs{}, err
	}
	metrics := kube.NewMetrics(reg)
	api := kube.NewSource(kube.SourceOptions{Client: client, Log: log, Metrics: metrics})
	in := inputs{
		objects: api, config: localConfig(o), waitingFor: func() string { return api.Status().String() },
		failing:   func() bool { return api.Status().Problem != nil },
		confirmed: func(time.Time) time.Time { return api.Status().Confirmed() },
		trouble:   func() string { return api.Status().Trouble() },
		alive:     api.Alive,
		parts:     func() []statuspage.Part { return watchParts(api.Status()) },
	}
	if o.configMap != "" {
		in.config, err = kube.NewConfigMap(kube.ConfigMapOptions{
			Client: client, Namespace: o.configMapNamespace, Name: o.configMap, TLS: o.direct, Log: log, Metrics: metrics,
		})
	}
	return in, err
}

// localConfig returns the configuration that needs no API server.
func localConfig(o *options) config.Source {
	if o.configDir != "" {
		return config.Dir{Path: o.configDir, Period: o.configPeriod, TLS: o.direct}
	}
	return config.Static{Federations: o.federations, Upstreams: o.upstreams}
}

// lastGoodFile returns the file of the last valid configuration, if there is one.
func lastGoodFile(o *options, log *slog.Logger) *config.LastGood {
	if o.snapshot == "" {
		return nil
	}
	lastGood := config.NewLastGood(o.snapshot+".config", log)
	lastGood.TLS = o.direct
	return lastGood
}
