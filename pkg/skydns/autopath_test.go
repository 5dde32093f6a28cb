package skydns_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// An internet is a server for outside names. Its names have an answer section for A and
// AAAA as zone text, or "fails". All other names do not exist.
type internet struct {
	a, aaaa map[string]string
	lame    bool // sends NXDOMAIN for AAAA of names without one
	noSOA   bool // sends no SOA, as dnsmasq for its own names

	mu    sync.Mutex
	asked map[string]int
}

func (n *internet) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := strings.ToLower(q.Question[0].Name)
	n.mu.Lock()
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	n.asked[name]++
	n.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	own, other := n.a, n.aaaa
	if q.Question[0].Qtype == dns.TypeAAAA {
		own, other = other, own
	}
	text, found := own[name]
	_, foundOther := other[name]
	switch {
	case text == "fails":
		m.Rcode = dns.RcodeServerFailure
	case !found && (!foundOther || n.lame):
		m.Rcode = dns.RcodeNameError
	case text != "":
		for line := range strings.SplitSeq(text, "\n") {
			rr, err := dns.NewRR(line)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		}
	}
	if len(m.Answer) == 0 && !n.noSOA {
		m.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
			Ns:  ".", Mbox: ".", Minttl: 45,
		}}
	}
	_ = w.WriteMsg(m)
}

// autopathServer runs a server of twinZone, on a node with the search domain corp.example.
func autopathServer(t testing.TB, n dns.Handler, opts skydns.Options, node ...string) string {
	t.Helper()
	f := upstream.NewForwarder(upstream.Options{Direct: true, CacheSize: cacheSize})
	t.Cleanup(f.Close)
	f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, n).AddrPort()}, nil)
	if node == nil {
		node = []string{"corp.example."}
	}
	zone, one := twinZone(), []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	for _, namespace := range []string{"shop", "other-namespace"} {
		zone.SetService(kubedns.Service{Key: kubedns.Key{Namespace: namespace, Name: "a"}, ClusterIPs: one})
	}
	zone.Publish()
	opts.Backend, opts.Forwarder, opts.SearchDomains = zone, f, node
	return serve(t, opts)
}

// TestAutopath checks the reply to the first name of a search list.
func TestAutopath(t *testing.T) {
	n := &internet{
		a: map[string]string{
			"www.example.com.":             "www.example.com. 300 IN CNAME cdn.example.net.\ncdn.example.net. 20 IN A 192.0.2.1",
			"both.example.com.":            "both.example.com. 300 IN A 192.0.2.2",
			"git.dev.corp.example.":        "git.dev.corp.example. 300 IN A 192.0.2.3",
			"git.dev.":                     "git.dev. 300 IN A 203.0.113.66",
			"fails.example.com.":           "fails",
			"half.example.com.":            "half.example.com. 300 IN A 192.0.2.5",
			"later.dev.corp.example.":      "fails",
			"later.dev.":                   "later.dev. 300 IN A 203.0.113.66",
			"empty.dev.corp.example.":      "",
			"empty.dev.":                   "empty.dev. 300 IN A 203.0.113.66",
			"dangling.example.com.":        "dangling.example.com. 300 IN CNAME none.example.com.",
			"web.example.com.":             "web.example.com. 300 IN A 192.0.2.4",
			"not-ready.two.":               "not-ready.two. 300 IN A 203.0.113.66",
			"localhost.localdomain.":       "localhost.localdomain. 300 IN A 127.0.0.1",
			"x.y.example.com.corp.example": "",
		},
		aaaa: map[string]string{
			"both.example.com.": "both.example.com. 10 IN AAAA 2001:db8::2",
			"half.example.com.": "fails",
		},
	}
	addr := autopathServer(t, n, skydns.Options{Autopath: true})
	const nxdomain = "NXDOMAIN"
	for _, tt := range []struct {
		name    string
		qtype   uint16
		want    string // the answer section, or NXDOMAIN
		ttl     string
		noReply bool
	}{
		{
			name: "www.example.com.ns", qtype: dns.TypeA, ttl: "20",
			want: "CNAME www.example.com. CNAME cdn.example.net. A 192.0.2.1",
		},
		{
			name: "WWW.example.COM.other-Namespace", qtype: dns.TypeA, ttl: "20",
			want: "CNAME www.example.com. CNAME cdn.example.net. A 192.0.2.1",
		},
		// Both families agree on the candidate.
		{name: "www.example.com.ns", qtype: dns.TypeAAAA, want: "CNAME www.example.com."},
		{name: "both.example.com.ns", qtype: dns.TypeA, ttl: "30", want: "CNAME both.example.com. A 192.0.2.2"},
		{name: "both.example.com.ns", qtype: dns.TypeAAAA, ttl: "10", want: "CNAME both.example.com. AAAA 2001:db8::2"},
		// An address is an answer, even if the other family fails. The failure is no denial.
		{name: "half.example.com.ns", qtype: dns.TypeA, want: "CNAME half.example.com. A 192.0.2.5"},
		{name: "half.example.com.ns", qtype: dns.TypeAAAA, want: "SERVFAIL"},
		// The order of the list: svc.<zone>, <zone>, the node's domain, the name.
		{name: "dual.ns.shop", qtype: dns.TypeA, ttl: "30", want: "CNAME dual.ns.svc.cluster.local. A 10.0.0.2"},
		{name: "web.ns.shop", qtype: dns.TypeAAAA, want: "CNAME web.ns.svc.cluster.local."},
		{name: "web.ns.svc.shop", qtype: dns.TypeA, want: "CNAME web.ns.svc.cluster.local. A 10.0.0.1"},
		{name: "web.ns.svc.cluster.local.shop", qtype: dns.TypeA, want: "CNAME web.ns.svc.cluster.local. A 10.0.0.1"},
		{name: "git.dev.ns", qtype: dns.TypeA, want: "CNAME git.dev.corp.example. A 192.0.2.3"},
		{name: "git.dev.ns", qtype: dns.TypeAAAA, want: "CNAME git.dev.corp.example."},
		// The client must continue.
		{name: "fails.example.com.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "later.dev.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "empty.dev.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "dangling.example.com.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "none.example.com.ns", qtype: dns.TypeA, want: nxdomain},
		// Names of Services in the namespace are not outside names.
		{name: "not-ready.two.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "web.example.com.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "web.example.com.shop", qtype: dns.TypeA, want: "CNAME web.example.com. A 192.0.2.4"},
		// These might be the second question of a list, for www.example.com.none. A namespace has
		// Services.
		{name: "www.example.com.none", qtype: dns.TypeA, want: nxdomain},
		{name: "git.dev.none", qtype: dns.TypeA, want: nxdomain},
		// Other names and types.
		{name: "www.ns", qtype: dns.TypeA, want: nxdomain},
		{name: "www.example.com.ns", qtype: dns.TypeMX, want: nxdomain},
		{name: "www.example.com.ns", qtype: dns.TypeSRV, want: nxdomain},
	} {
		for _, tcp := range []bool{false, true, false, true} { // the fast path has the second reply
			reply := dnstest.Exchange(t, addr, dnstest.Query(tt.name+".svc.cluster.local", tt.qtype), tcp)
			got := brief(reply)
			if got != tt.want {
				t.Errorf("%s %s: %s, want %s", tt.name, dns.Type(tt.qtype), got, tt.want)
			}
			for _, rr := range reply.Answer {
				if ttl := ttlText(rr); tt.ttl != "" && !tcp && ttl != tt.ttl {
					t.Errorf("%s %s: TTL %s, want %s", tt.name, dns.Type(tt.qtype), ttl, tt.ttl)
				}
			}
			n := len(reply.Answer)
			if n > 0 && reply.Answer[n-1].Header().Rrtype == dns.TypeCNAME && len(reply.Ns) != 1 {
				t.Errorf("%s %s: NODATA without SOA", tt.name, dns.Type(tt.qtype))
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if asked := slices.Sorted(maps.Keys(n.asked)); slices.Contains(asked, "not-ready.two.corp.example.") {
		t.Errorf("a name of a Service left the cluster: %v", asked)
	}
}

// brief returns types and data of the answer section, or the rcode.
func brief(m *dns.Msg) string {
	if m.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[m.Rcode]
	}
	var words []string
	for _, rr := range m.Answer {
		fields := strings.Fields(rr.String())
		words = append(words, fields[3:]...)
	}
	return strings.Join(words, " ")
}

func ttlText(rr dns.RR) string { return strings.Fields(rr.String())[1] }

// An upstream may send NXDOMAIN for the family that a name lacks: both families still agree on the
// candidate.
func TestAutopathWithLameUpstream(t *testing.T) {
	n := &internet{lame: true, a: map[string]string{
		"git.dev.corp.example.": "git.dev.corp.example. 300 IN A 192.0.2.3", "git.dev.": "git.dev. 300 IN A 203.0.113.66",
	}, aaaa: map[string]string{"git.dev.": "git.dev. 300 IN AAAA 2001:db8::66"}}
	addr := autopathServer(t, n, skydns.Options{Autopath: true})
	reply := dnstest.Exchange(t, addr, dnstest.Query("git.dev.ns.svc.cluster.local", dns.TypeAAAA), false)
	if got := brief(reply); got != "CNAME git.dev.corp.example." {
		t.Error(got)
	}
}

// An upstream may send NODATA without SOA: both families still agree on the candidate.
func TestAutopathWithoutSOA(t *testing.T) {
	n := &internet{noSOA: true, a: map[string]string{
		"git.dev.corp.example.": "git.dev.corp.example. 300 IN A 192.0.2.3", "git.dev.": "git.dev. 300 IN A 203.0.113.66",
	}}
	addr := autopathServer(t, n, skydns.Options{Autopath: true})
	for qtype, want := range map[uint16]string{
		dns.TypeA: "CNAME git.dev.corp.example. A 192.0.2.3", dns.TypeAAAA: "CNAME git.dev.corp.example.",
	} {
		reply := dnstest.Exchange(t, addr, dnstest.Query("git.dev.ns.svc.cluster.local", qtype), false)
		if got := brief(reply); got != want {
			t.Errorf("%s: %s, want %s", dns.Type(qtype), got, want)
		}
	}
}

// With more search domains than all clients use, the client searches the end of the list.
func TestAutopathWithManyDomains(t *testing.T) {
	n := &internet{a: map[string]string{
		"a.dev.c.example.": "a.dev.c.example. 9 IN A 192.0.2.3", "b.dev.": "b.dev. 9 IN A 203.0.113.66",
		"c.dev.d.example.": "c.dev.d.example. 9 IN A 203.0.113.66",
	}}
	addr := autopathServer(t, n, skydns.Options{Autopath: true}, "a.example.", "b.example.", "c.example.", "d.example.")
	for name, want := range map[string]string{
		"a.dev": "CNAME a.dev.c.example. A 192.0.2.3", "b.dev": "NXDOMAIN", "c.dev": "NXDOMAIN",
	} {
		reply := dnstest.Exchange(t, addr, dnstest.Query(name+".ns.svc.cluster.local", dns.TypeA), false)
		if got := brief(reply); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// While upstreams do not answer for one family of an existing name, the reply for it is no denial.
// A client's cache would store a denial, and hide the addresses.
func TestAutopathWhileAFamilyIsSilent(t *testing.T) {
	n := &internet{
		a:    map[string]string{"both.example.com.": "both.example.com. 300 IN A 192.0.2.2"},
		aaaa: map[string]string{"both.example.com.": "both.example.com. 300 IN AAAA 2001:db8::2"},
	}
	var silent atomic.Bool
	addr := autopathServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if !silent.Load() || q.Question[0].Qtype != dns.TypeAAAA {
			n.ServeDNS(w, q)
		}
	}), skydns.Options{Autopath: true})
	// Fill the cache: the candidates before are denied, and the name has an address.
	for _, q := range []*dns.Msg{
		dnstest.Query("both.example.com.corp.example", dns.TypeA),
		dnstest.Query("both.example.com.corp.example", dns.TypeAAAA),
		dnstest.Query("both.example.com", dns.TypeA),
	} {
		dnstest.Exchange(t, addr, q, false)
	}
	silent.Store(true)
	want := func(qtype uint16, want string) {
		t.Helper()
		reply := dnstest.Exchange(t, addr, dnstest.Query("both.example.com.ns.svc.cluster.local", qtype), false)
		if got := brief(reply); got != want {
			t.Errorf("%s: %s, want %s", dns.Type(qtype), got, want)
		}
	}
	want(dns.TypeA, "CNAME both.example.com. A 192.0.2.2")
	want(dns.TypeAAAA, "SERVFAIL")
	silent.Store(false)
	want(dns.TypeAAAA, "CNAME both.example.com. AAAA 2001:db8::2")
}

// NXDOMAIN holds for all types, so a candidate that does not exist costs one query. This includes
// clients that query AAAA first.
func TestAutopathAsksOnce(t *testing.T) {
	for _, types := range [][]uint16{{dns.TypeA, dns.TypeAAAA}, {dns.TypeAAAA, dns.TypeA}} {
		n := &internet{
			a:    map[string]string{"both.example.com.": "both.example.com. 300 IN A 192.0.2.2"},
			aaaa: map[string]string{"both.example.com.": "both.example.com. 300 IN AAAA 2001:db8::2"},
		}
		var mu sync.Mutex
		var got []string
		addr := autopathServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			mu.Lock()
			got = append(got, q.Question[0].Name+" "+dns.Type(q.Question[0].Qtype).String())
			mu.Unlock()
			n.ServeDNS(w, q)
		}), skydns.Options{Autopath: true})
		for _, qtype := range types {
			dnstest.Exchange(t, addr, dnstest.Query("both.example.com.ns.svc.cluster.local", qtype), false)
		}
		mu.Lock()
		slices.Sort(got)
		want := []string{"both.example.com. A", "both.example.com. AAAA", "both.example.com.corp.example. A"}
		if !slices.Equal(got, want) {
			t.Errorf("the upstream was asked for %q, want %q", got, want)
		}
		mu.Unlock()
	}
}

// Clients that look the same name up at the same time get the same answers.
func TestAutopathAtOnce(t *testing.T) {
	n := &internet{
		a: map[string]string{"both.example.com.": "both.example.com. 300 IN A 192.0.2.2"},
		aaaa: map[string]string{
			"both.example.com.": "both.example.com. 10 IN AAAA 2001:db8::2",
			"half.example.com.": "fails",
		},
	}
	addr := autopathServer(t, n, skydns.Options{Autopath: true})
	var clients sync.WaitGroup
	for range 10 {
		for qtype, want := range map[uint16]string{
			dns.TypeA: "CNAME both.example.com. A 192.0.2.2", dns.TypeAAAA: "CNAME both.example.com. AAAA 2001:db8::2",
		} {
			clients.Go(func() {
				query := dnstest.Query("both.example.com.ns.svc.cluster.local", qtype)
				reply, err := dnstest.TryExchange(t.Context(), addr, query, false)
				if err != nil {
					t.Error(err)
				} else if got := brief(reply); got != want {
					t.Errorf("%s: %s, want %s", dns.Type(qtype), got, want)
				}
			})
		}
	}
	clients.Wait()
}
