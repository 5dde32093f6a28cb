package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"sigs.k8s.io/yaml"
)

// An episode is a set of series with which an alert has to fire. Each series has a sample
// a minute, for an hour. A counter's first event is its first increase.
type episode struct{ quiet, firing string }

var episodes = map[string]episode{
	"KubeDNSTargetDown":        {`up{job="kube-dns"} 1x60`, `up{job="kube-dns"} 1x10 0x50`},
	"KubeDNSAbsent":            {`up{job="kube-dns"} 1x100`, `up{job="kube-dns"} 0x100`},
	"KubeDNSNoData":            {watch + "0x60\n" + late + "0x60", watch + "0x60\n" + late + "0x5 1x55"},
	"KubeDNSStaleAnswers":      counter(`kubedns_dns_stale_answers_total`),
	"KubeDNSWatchClosed":       {watch + "1x60", watch + "1x10 0x50"},
	"KubeDNSRefusedByAPI":      counter(`kubedns_api_errors_total{resource="services",reason="forbidden"}`),
	"KubeDNSEndpointsFallback": {`kubedns_api_endpoints_fallback 0x60`, `kubedns_api_endpoints_fallback 0x10 1x50`},
	"KubeDNSMissedChanges":     counter(`kubedns_api_audit_differences_total{resource="services"}`),
	"KubeDNSConfigRefused":     {`kubedns_config_valid 1x60`, `kubedns_config_valid 1x10 0x50`},
	"KubeDNSConfigDiffers":     {version("a") + version("a"), version("a") + version("b")},
	"KubeDNSPanic":             counter(`kubedns_dns_panics_total`),
	"KubeDNSOverload":          counter(`kubedns_dns_overload_total`),
	"KubeDNSTCPRefused":        counter(`kubedns_dns_tcp_connections_refused_total`),
	"KubeDNSSnapshotWrite":     counter(`kubedns_snapshot_write_errors_total`),
	// The first sample is of the time 0.
	"KubeDNSSnapshotOld": {`kubedns_snapshot_confirmed_timestamp_seconds 0x100`,
		`kubedns_snapshot_confirmed_timestamp_seconds 60x100`},
	"KubeDNSServfail": {
		replies("NOERROR") + "0+600x60\n" + replies("SERVFAIL") + "0+6x60", replies("NOERROR") + "0+600x60\n" +
			replies("SERVFAIL") + "0+60x60",
	},
	"KubeDNSDnsmasqDied":          counter(`kubedns_nanny_dnsmasq_starts_total{reason="died"}`),
	"KubeDNSDnsmasqServersDiffer": counter(`kubedns_nanny_reloads_total{result="different"}`),
	"KubeDNSDnsmasqOverload":      counter(`kubedns_nanny_dnsmasq_overload_lines_total`),
	"KubeDNSUpstreamLoop":         {``, `kubedns_nanny_upstream_loop{server="192.0.2.1:53",domain=""} 1x60`},
	"KubeDNSUnresolvedServer":     {`kubedns_nanny_unresolved_names 0x60`, `kubedns_nanny_unresolved_names 1x60`},
	"KubeDNSProbeFailing": {`kubedns_probe_consecutive_failures 3x60`,
		`kubedns_probe_consecutive_failures 4x60`},
	"KubeDNSDnsmasqUnreadable": counter(`kubedns_dnsmasq_errors`),
}

const (
	watch = `kubedns_api_watch_connected{instance="1",resource="services"} `
	late  = `kubedns_initial_sync_timeouts_total{instance="1"} `
)

func counter(series string) episode { return episode{series + " 0x60", series + " 0x5 1x55"} }

func replies(rcode string) string {
	return fmt.Sprintf("kubedns_dns_responses_total{instance=\"1\",rcode=%q} ", rcode)
}

// version is a replica that changes to a configuration.
func version(v string) string {
	return fmt.Sprintf("kubedns_config_info{instance=\"replica-%s\",version=\"old\"} 1x5 _x55\nkubedns_config_info{instance=\"replica-%s\",version=%q} _x5 1x55\n", v, v, v)
}

// TestAlertsFire evaluates each rule of monitoring with Prometheus.
func TestAlertsFire(t *testing.T) {
	data, err := os.ReadFile("../../monitoring/kube-dns.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, rule := range file.Groups[0].Rules {
		t.Run(rule.Alert, func(t *testing.T) {
			e, ok := episodes[rule.Alert]
			if !ok || rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" {
				t.Fatal("no episode, summary or action")
			}
			tested++
			pause := time.Duration(0)
			if rule.For != "" {
				d, err := model.ParseDuration(rule.For)
				if err != nil {
					t.Fatal(err)
				}
				pause = time.Duration(d)
			}
			if n := longest(t, rule.Expr, e.quiet); n > 0 && n >= pause {
				t.Errorf("fires for %s while nothing is wrong", n)
			}
			if n := longest(t, rule.Expr, e.firing); n < pause || n == 0 {
				t.Errorf("holds for %s at most, want %s", n, pause)
			}
		})
	}
	if tested != len(episodes) {
		t.Errorf("%d rules for %d episodes", tested, len(episodes))
	}
}

// longest returns the longest time in which expr holds.
func longest(t *testing.T, expr, series string) time.Duration {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n"+indent(series))
	defer storage.Close()
	engine := promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples: 100_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
	})
	held, best := time.Duration(0), time.Duration(0)
	for at := time.Duration(0); at < 70*time.Minute; at += time.Minute {
		query, err := engine.NewInstantQuery(t.Context(), storage, nil, expr, time.Unix(0, 0).Add(at))
		if err != nil {
			t.Fatal(err)
		}
		vector, err := query.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		if held += time.Minute; len(vector) == 0 {
			held = 0
		}
		best = max(best, held)
		query.Close()
	}
	return best
}

func indent(series string) string {
	var b strings.Builder
	for line := range strings.Lines(series) {
		b.WriteString("  " + strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
