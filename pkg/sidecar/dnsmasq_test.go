package sidecar_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// A realDnsmasq is a dnsmasq process that forwards everything to one server.
type realDnsmasq struct {
	addr     netip.AddrPort
	upstream string
	cmd      *exec.Cmd
}

func (d *realDnsmasq) start(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		path = "/usr/sbin/dnsmasq" // not in every user's path
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq is not installed: %v", err)
		}
		t.Skipf("dnsmasq is not installed: %v", err)
	}
	host, port, _ := net.SplitHostPort(d.upstream)
	d.cmd = exec.CommandContext(t.Context(), path, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file",
		"--listen-address="+d.addr.Addr().String(), "--bind-interfaces", "--port="+strconv.Itoa(int(d.addr.Port())),
		"--no-resolv", "--no-hosts", "--cache-size=100", "--log-facility=-", "--server="+host+"#"+port)
	d.cmd.Stderr = t.Output()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop() })
}

func (d *realDnsmasq) stop() {
	_ = d.cmd.Process.Kill() // fails after the second time
	_ = d.cmd.Wait()
}

// ask sends n queries for names that dnsmasq has to forward, each of them twice.
func (d *realDnsmasq) ask(t *testing.T, prefix string, n int) {
	t.Helper()
	for i := range n {
		name := prefix + strconv.Itoa(i) + ".test"
		for range 2 {
			if m := dnstest.Exchange(t, d.addr.String(), dnstest.Query(name, dns.TypeSRV), false); len(m.Answer) != 1 {
				t.Fatalf("dnsmasq answers\n%s", m)
			}
		}
	}
}

// await waits until every series is at least the wanted value, and returns the values then.
func await(t *testing.T, reg *prometheus.Registry, want map[string]float64) map[string]float64 {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, missing := values(t, reg), ""
		for name, value := range want {
			if got[name] < value {
				missing = name
			}
		}
		if missing == "" {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v, want at least %v", missing, got[missing], want[missing])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The counters of a real dnsmasq: before it runs, across a restart and across a reload.
func TestRealDnsmasq(t *testing.T) {
	up := nameserver(t, func(_ dns.ResponseWriter, q *dns.Msg) *dns.Msg { return record(q) })
	d := &realDnsmasq{addr: dnstest.FreeAddr(t), upstream: up.Addr()}
	query := func(ctx context.Context) (chaos.Stats, error) { return chaos.QueryStats(ctx, d.addr.String()) }
	s, reg := newServer(t, sidecar.Options{
		Stats: query,
		Upstreams: func(ctx context.Context) ([]chaos.Server, error) {
			return chaos.QueryServers(ctx, d.addr.String())
		},
		PollInterval: 20 * time.Millisecond,
	})
	stop := running(t, s)
	defer stop()
	const (
		errs, hits, misses = "kubedns_dnsmasq_errors", "kubedns_dnsmasq_hits", "kubedns_dnsmasq_misses"
		insertions, size   = "kubedns_dnsmasq_insertions", "kubedns_dnsmasq_max_size"
	)
	queries := "kubedns_dnsmasq_upstream_queries_total server=" + up.Addr()

	await(t, reg, map[string]float64{errs: 1})
	d.start(t)
	await(t, reg, map[string]float64{size: 100})
	d.ask(t, "first", 30)
	await(t, reg, map[string]float64{misses: 30, hits: 30, insertions: 30, queries: 30})

	// A restart: counts of the new process before the first poll count too.
	d.stop()
	await(t, reg, map[string]float64{errs: values(t, reg)[errs] + 1})
	before := values(t, reg)
	d.start(t)
	await(t, reg, map[string]float64{hits: before[hits] + 1})
	d.ask(t, "second", 40)
	await(t, reg, map[string]float64{misses: 70, insertions: 70, queries: 70, hits: before[hits] + 40})

	// A reload: dnsmasq resets only the counters of the cache.
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for {
		stats, err := query(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Insertions == 0 {
			if stats.Misses != 40 {
				t.Errorf("dnsmasq counts %d misses after a reload, 40 before", stats.Misses)
			}
			break
		}
	}
	d.ask(t, "third", 5)
	after := await(t, reg, map[string]float64{misses: 75, insertions: 75})
	for name, want := range map[string]float64{misses: 75, insertions: 75, size: 100} {
		if after[name] != want {
			t.Errorf("%s is %v, want %v", name, after[name], want)
		}
	}
}
