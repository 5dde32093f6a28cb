package main

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/docs"
	"github.com/kube-dns/kube-dns/internal/httpd"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// TestDocs compares the documents about kube-dns with its code.
func TestDocs(t *testing.T) {
	fs, _ := newFlags()
	docs.CheckFlags(t, "kube-dns", docs.GNUFlags(fs), append([]string{
		"domain", "nameservers", "kubecfg-file", "kube-master-url", "healthz-port", "dns-bind-address", "dns-port",
		"config-map", "config-map-namespace", "config-dir", "config-period", "federations", "initial-sync-timeout",
		"profiling", "version", "v", "vmodule", "log-flush-frequency",
	}, docs.LegacyLogFlags...), []string{
		"autopath", "cache-size", "direct", "fast-path", "forward", "http-bind-address", "lameduck", "logging-format",
		"manifests", "querylog-allow", "querylog-clients", "querylog-dnstap", "querylog-sample", "snapshot",
		"snapshot-max-age",
	})

	metrics := recordMetrics(t)
	docs.CheckMetrics(t, "kube-dns", metrics,
		"skydns_skydns_dns_cachemiss_count_total", "skydns_skydns_dns_error_count_total",
		"skydns_skydns_dns_request_count_total",
		"skydns_skydns_dns_request_duration_seconds", "skydns_skydns_dns_response_size_bytes")
	docs.CheckAlerts(t)
	names := processMetrics(t)
	for _, name := range names {
		if !slices.ContainsFunc(metrics, func(m docs.Metric) bool { return m.Name == name }) {
			t.Errorf("kube-dns measures %s, and recordMetrics does not know of it", name)
		}
	}
}

// recordMetrics creates everything in kube-dns that measures something.
func recordMetrics(t *testing.T) []docs.Metric {
	t.Helper()
	rec := docs.NewRecorder()
	zone := kubedns.NewZone(kubedns.Options{})
	zone.MarkSynced()
	kube.NewMetrics(rec)
	snapshot.NewMetrics(rec)
	httpd.RegisterBuildInfo(rec, "kubedns", "kube-dns", "")
	querylog.NewMetrics(rec)
	forwarder := upstream.NewForwarder(upstream.Options{All: noServer, CacheSize: minCache})
	s := &settings{zone: zone, forwarder: forwarder, log: slog.New(slog.DiscardHandler)}
	if _, err := newSettings(s, rec); err != nil {
		t.Fatal(err)
	}
	other := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	}))
	forwarder.SetRoutes([]netip.AddrPort{other.AddrPort()}, nil)
	server, err := skydns.New(skydns.Options{
		Domain: "cluster.local.", Backend: zone, Forwarder: forwarder, Registerer: rec,
	})
	if err != nil {
		t.Fatal(err)
	}
	askOnce(t, server)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	(&status{zone: zone}).registerMetrics(t.Context(), rec)
	if err := (&status{zone: zone}).warnOfSlowSync(done, time.Hour, rec); err != nil {
		t.Fatal(err)
	}
	return rec.Metrics(t)
}

// askOnce queries the server for a name that does not exist, and for a name outside the cluster.
// Then every counter has a value.
func askOnce(t *testing.T, server *skydns.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sockets, err := skydns.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running errgroup.Group
	running.Go(func() error { return server.Run(ctx, sockets) })
	for _, name := range []string{"no.such.name.cluster.local.", "www.outside.example."} {
		dnstest.Exchange(t, sockets.Addr().String(), dnstest.Query(name, backend.TypeA), false)
	}
	cancel()
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
}

// noServer means that --forward was not given.
var noServer = options{}.forward

var nameInDesc = regexp.MustCompile(`fqName: "((?:kubedns|skydns)_[^"]*)"`)

// processMetrics returns the names of the metrics of a complete kube-dns.
func processMetrics(t *testing.T) []string {
	t.Helper()
	fs, o := newFlags()
	err := fs.Parse([]string{
		"--kube-master-url=http://127.0.0.1:9", "--dns-bind-address=127.0.0.1", "--dns-port=0", "--healthz-port=0",
		"--snapshot=" + filepath.Join(t.TempDir(), "snapshot"),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(t.Context(), o, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc, 1000)
	p.registry.Describe(descs)
	close(descs)
	var names []string
	for desc := range descs {
		if m := nameInDesc.FindStringSubmatch(desc.String()); m != nil {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatal("no metric at all")
	}
	return names
}
