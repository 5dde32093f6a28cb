package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// clusterDNS answers for dns.acme.svc.cluster.test. All other names do not exist, but names that
// start with "silent" get no reply.
func clusterDNS(t *testing.T) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch name := q.Question[0].Name; {
		case strings.HasPrefix(name, "silent."):
			return
		case name == "dns.acme.svc.cluster.test." && q.Question[0].Qtype == dns.TypeA:
			m.Answer = dnstest.Records(t, "dns.acme.svc.cluster.test. 30 A 192.0.2.9\ndns.acme.svc.cluster.test. 30 A 192.0.2.8")
		case name == "dns.acme.svc.cluster.test.":
			m.Answer = dnstest.Records(t, "dns.acme.svc.cluster.test. 30 AAAA 2001:db8::8")
		default:
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
}

func TestLookupAtKubeDNS(t *testing.T) {
	server := dnstest.NewServer(t, clusterDNS(t))
	r := Resolver{KubeDNS: server.Addr(), Zones: []string{"other.test", "cluster.test"}}
	got, err := r.Lookup(t.Context(), "dns.acme.svc.cluster.test")
	if diff := cmp.Diff(addrs("192.0.2.8 192.0.2.9 2001:db8::8"), got, sameAddr); diff != "" || err != nil {
		t.Errorf("error %v, addresses (-want +got):\n%s", err, diff)
	}
	if got, err := r.Lookup(t.Context(), "none.acme.svc.cluster.test"); err == nil ||
		!strings.Contains(err.Error(), server.Addr()) {
		t.Errorf("got %v, %v; want an error that names %s", got, err, server.Addr())
	}
}

func TestLookupEndsWithContext(t *testing.T) {
	server := dnstest.NewServer(t, clusterDNS(t))
	r := Resolver{KubeDNS: server.Addr(), Zones: []string{"cluster.test"}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Lookup(ctx, "silent.cluster.test"); err == nil {
		t.Error("no error")
	}
}

func TestInZones(t *testing.T) {
	r := Resolver{Zones: []string{"cluster.local"}}
	for host, want := range map[string]bool{
		"cluster.local": true, "dns.acme.svc.cluster.local": true, "mycluster.local": false, "local": false,
		"cluster.local.test": false,
	} {
		if got := r.inZones(host); got != want {
			t.Errorf("inZones(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestLookupSystem(t *testing.T) {
	// "localhost" is in the hosts file: no network is needed.
	got, err := Resolver{}.Lookup(t.Context(), "localhost")
	if err != nil || len(got) == 0 || !got[0].IsLoopback() {
		t.Errorf("localhost is %v, %v; want loopback addresses", got, err)
	}
}

func TestFollowNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var asked []string
		lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
			asked = append(asked, fmt.Sprintf("%v %s", time.Since(start), host))
			if host == "bad.test" {
				return nil, errors.New("NXDOMAIN")
			}
			return addrs("192.0.2.1"), nil
		}
		hosts, found := make(chan []string, 1), make(chan finding)
		done := make(chan error)
		go func() { done <- followNames(ctx, lookup, 10*time.Second, hosts, found) }()

		time.Sleep(25 * time.Second) // nothing to look up
		hosts <- []string{"a.test"}
		if got := <-found; got.host != "a.test" || got.err != nil {
			t.Errorf("found %v", got)
		}
		<-found
		hosts <- []string{"bad.test"}
		if got := <-found; got.host != "bad.test" || got.err == nil {
			t.Errorf("found %v, want an error", got)
		}
		hosts <- nil
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"25s a.test", "30s a.test", "30s bad.test"}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("look-ups (-want +got):\n%s", diff)
		}
	})
}

// TestSilentNamesHoldUpNoOthers: names without a reply do not delay other names.
func TestSilentNamesHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		const period, good = 10 * time.Second, "good.test"
		start := time.Now()
		moves := start.Add(15 * time.Second)
		var running, most atomic.Int32
		lookup := func(ctx context.Context, host string) ([]netip.Addr, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
			defer cancel()
			switch {
			case host != good:
				<-ctx.Done()
				return nil, fmt.Errorf("look up: %w", ctx.Err())
			case time.Now().Before(moves):
				return addrs("192.0.2.1"), nil
			}
			return addrs("192.0.2.2"), nil
		}
		hosts, found := make(chan []string, 1), make(chan finding)
		done := make(chan error)
		go func() { done <- followNames(ctx, lookup, period, hosts, found) }()
		var list []string
		for i := range maxLookups + 10 {
			list = append(list, fmt.Sprintf("silent%04d.test", i))
		}
		list = append(list, good)
		hosts <- list
		seen := map[string]time.Duration{} // addresses of the good name
		silent := map[string]int{}
		for range 3 * len(list) {
			f := <-found
			if f.host != good {
				silent[f.host]++
			} else if _, ok := seen[f.addrs[0].String()]; !ok {
				seen[f.addrs[0].String()] = time.Since(start)
			}
		}
		if first := seen["192.0.2.1"]; first > lookupTimeout {
			t.Errorf("the good name was found after %v", first)
		}
		if moved, ok := seen["192.0.2.2"]; !ok || moved > moves.Sub(start)+period+lookupTimeout {
			t.Errorf("the good name's new address was found after %v, %v", moved, ok)
		}
		if n := silent[list[0]]; len(silent) != len(list)-1 || n != 3 {
			t.Errorf("%d silent names were looked up, the first one %d times", len(silent), n)
		}
		if n := most.Load(); n != maxLookups {
			t.Errorf("%d look-ups ran at the same time, want %d", n, maxLookups)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
