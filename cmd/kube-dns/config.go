package main

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

const resolvConf = "/etc/resolv.conf"

// settings puts the operator's configuration into use: its federations in the zone,
// its servers in the forwarder.
type settings struct {
	zone      *kubedns.Zone
	forwarder *upstream.Forwarder
	domain    string
	lastGood  *config.LastGood // nil: none is stored
	log       *slog.Logger

	current *config.Current
	valid   prometheus.Gauge
	refused *prometheus.CounterVec
	applied prometheus.Counter
	info    *prometheus.GaugeVec
	shown   atomic.Pointer[shownConfig]
}

// shownConfig is the part of the status page about the configuration.
type shownConfig struct {
	config.InUse
	Since, RefusedSince time.Time
	Refused             string // empty: the newest one is in use
	Upstreams           []string
}

// newSettings puts the default configuration into use. It fails if resolv.conf exists but cannot be
// read.
func newSettings(s *settings, reg prometheus.Registerer) (*settings, error) {
	if _, err := config.ReadResolvConf(resolvConf); err != nil {
		return nil, err
	}
	factory := promauto.With(reg)
	s.valid = factory.NewGauge(prometheus.GaugeOpts{
		Name: "kubedns_config_valid",
		Help: "1 if the configuration last read is in use, 0 if it was refused and an older one stays.",
	})
	s.refused = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kubedns_config_refused_total",
		Help: `Configurations that were not used, by the invalid key ("read": it could not be read).`,
	}, []string{"key"})
	s.applied = factory.NewCounter(prometheus.CounterOpts{
		Name: "kubedns_config_applied_total", Help: "Configurations put into use.",
	})
	s.info = factory.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kubedns_config_info",
		Help: "Always 1. Version is a hash of the configuration in use, or its resourceVersion with --config-map; " +
			"source is configured, last_good or default.",
	}, []string{"version", "source"})
	for _, key := range []string{"federations", "stubDomains", "upstreamNameservers", "read"} {
		s.refused.WithLabelValues(key)
	}
	s.current = &config.Current{
		Zone: s.domain, LastGood: s.lastGood, Use: s.use, Refused: s.refuse, Log: s.log,
	}
	s.current.UseDefault()
	return s, nil
}

// refuse shows that a configuration is not used.
func (s *settings) refuse(key string, err error) {
	s.refused.WithLabelValues(key).Inc()
	s.valid.Set(0)
	shown := *s.shown.Load()
	if shown.Refused == "" {
		shown.RefusedSince = time.Now()
	}
	shown.Refused = err.Error()
	s.shown.Store(&shown)
}

// use puts a configuration into use.
func (s *settings) use(in config.InUse) {
	cfg := in.Config
	upstreams := cfg.Upstreams
	if len(upstreams) == 0 {
		var err error
		if upstreams, err = config.ReadResolvConf(resolvConf); err != nil {
			s.log.Error("cannot read the nameservers", "err", err)
		}
	}
	stubs := map[string][]upstream.StubServer{}
	tlsNames := map[netip.AddrPort]string{}
	note := func(ns config.Nameserver) {
		if ns.TLS {
			tlsNames[ns.AddrPort] = ns.ServerName
		}
	}
	for _, stub := range cfg.StubDomains {
		for _, server := range stub.Servers {
			s := upstream.StubServer{Addr: server.Nameserver.AddrPort, Host: server.Host}
			stubs[stub.Domain] = append(stubs[stub.Domain], s)
			note(server.Nameserver)
		}
	}
	shown := &shownConfig{InUse: in, Since: time.Now()}
	addrs := make([]netip.AddrPort, len(upstreams))
	for i, u := range upstreams {
		addrs[i] = u.AddrPort
		note(u)
		shown.Upstreams = append(shown.Upstreams, u.String())
	}
	s.forwarder.SetServers(addrs, stubs, tlsNames)
	s.zone.SetFederations(cfg.Federations)
	s.shown.Store(shown)
	s.valid.Set(1)
	if in.Origin == config.FromSource {
		s.applied.Inc()
	}
	s.info.Reset()
	s.info.WithLabelValues(in.Version, in.Origin).Set(1)
	s.log.Info("using the configuration", "version", in.Version, "source", in.Origin,
		"nameservers", shown.Upstreams, "stubDomains", len(stubs), "federations", len(cfg.Federations))
}
