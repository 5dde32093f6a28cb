package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/atomicfile"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

const resolvConf = "/etc/resolv.conf"

// settings applies the operator's configuration to the zone and the forwarder.
type settings struct {
	source    config.Source
	zone      *kubedns.Zone
	forwarder *skydns.Forwarder
	domain    string
	// lastGood is a file that keeps the last valid configuration; "" is none.
	lastGood string
	log      *slog.Logger

	valid   prometheus.Gauge
	refused *prometheus.CounterVec
	applied prometheus.Counter
	info    *prometheus.GaugeVec
	shown   atomic.Pointer[shownConfig]
	started bool // a configuration was read before; of the applying goroutine
}

// shownConfig is the part of the status page about the configuration.
type shownConfig struct {
	Version, Source, Refused string
	Upstreams                []string
	StubDomains              int
	Federations              int
}

func newSettings(s *settings, reg prometheus.Registerer) *settings {
	s.valid = prometheus.NewGauge(prometheus.GaugeOpts{Name: "kubedns_config_valid", Help: "1 if the configuration last read is in use, 0 if it was refused and an older one stays."})
	s.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kubedns_config_refused_total", Help: "Configurations that were not used, by the key that was wrong (\"read\": it could not be read)."}, []string{"key"})
	s.applied = prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_config_applied_total", Help: "Configurations put into use."})
	s.info = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kubedns_config_info", Help: "Always 1. Version is a hash of the configuration in use, or its resourceVersion with --config-map; source is configured, last_good or default."}, []string{"version", "source"})
	reg.MustRegister(s.valid, s.refused, s.applied, s.info)
	return s
}

// Run follows the source until ctx is done.
func (s *settings) Run(ctx context.Context) error { return s.source.Run(ctx, s.apply) }

// apply puts a configuration into use, or logs why the one in use stays. At the
// start that is the last good one of an earlier run, or the default.
func (s *settings) apply(u config.Update) {
	first := !s.started
	s.started = true
	if u.Err != nil {
		if first {
			s.useLastGood()
		}
		key := "read"
		if bad, ok := errors.AsType[*config.KeyError](u.Err); ok {
			key = bad.Key
			s.log.Error("configuration refused, the one in use stays", "key", key, "err", u.Err)
		} else {
			s.log.Error("cannot read the configuration, the one in use stays", "err", u.Err)
		}
		s.refused.WithLabelValues(key).Inc()
		s.valid.Set(0)
		shown := *s.shown.Load()
		shown.Refused = u.Err.Error()
		s.shown.Store(&shown)
		return
	}
	for _, warning := range config.Warnings(u.Config, s.domain) {
		s.log.Warn("found a likely mistake in the configuration", "warning", warning)
	}
	s.use(u.Config, u.Version, "configured")
	s.valid.Set(1)
	s.applied.Inc()
	s.saveLastGood(u.Config)
}

// useLastGood takes the configuration of an earlier run: a mistake in the
// ConfigMap and a restart together must not drop every setting.
func (s *settings) useLastGood() {
	if s.lastGood == "" {
		return
	}
	data, err := os.ReadFile(s.lastGood)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var files map[string]string
	if err == nil {
		err = json.Unmarshal(data, &files)
	}
	var cfg config.Config
	if err == nil {
		cfg, err = config.Parse(files)
	}
	if err != nil {
		s.log.Error("cannot use the last good configuration", "file", s.lastGood, "err", err)
		return
	}
	s.log.Warn("using the last good configuration of an earlier run", "file", s.lastGood)
	s.use(cfg, config.Version(files), "last_good")
}

func (s *settings) saveLastGood(cfg config.Config) {
	if s.lastGood == "" {
		return
	}
	err := atomicfile.Write(s.lastGood, 0o600, func(w io.Writer) error { return json.NewEncoder(w).Encode(config.Format(cfg)) })
	if err != nil {
		s.log.Error("cannot keep the configuration for the next start", "err", err)
	}
}

// useDefaults is the configuration until there is one. It fails when
// resolv.conf exists and can not be read.
func (s *settings) useDefaults() error {
	if _, err := config.ReadResolvConf(resolvConf); err != nil {
		return err
	}
	s.use(config.Config{}, "", "default")
	s.valid.Set(1)
	return nil
}

// use puts a configuration into use, which has a version and comes from source,
// as the metric names them.
func (s *settings) use(cfg config.Config, version, source string) {
	upstreams := cfg.Upstreams
	if len(upstreams) == 0 {
		var err error
		if upstreams, err = config.ReadResolvConf(resolvConf); err != nil {
			s.log.Error("cannot read the nameservers", "err", err)
		}
	}
	stubs := map[string][]skydns.StubServer{}
	for _, stub := range cfg.StubDomains {
		for _, server := range stub.Servers {
			stubs[stub.Domain] = append(stubs[stub.Domain], skydns.StubServer{Addr: server.Nameserver.AddrPort, Host: server.Host})
		}
	}
	shown := &shownConfig{Version: version, Source: source, StubDomains: len(stubs), Federations: len(cfg.Federations)}
	addrs := make([]netip.AddrPort, len(upstreams))
	for i, u := range upstreams {
		addrs[i] = u.AddrPort
		shown.Upstreams = append(shown.Upstreams, u.String())
	}
	s.forwarder.SetRoutes(addrs, stubs)
	s.zone.SetFederations(cfg.Federations)
	s.shown.Store(shown)
	s.info.Reset()
	s.info.WithLabelValues(version, source).Set(1)
	s.log.Info("configuration in use", "version", version, "source", source, "nameservers", shown.Upstreams, "stubDomains", len(stubs), "federations", len(cfg.Federations))
}
