package skydns_test

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// Candidates are looked up over TCP where a reply is truncated, and over TLS, for clients
// over either transport.
func TestAutopathOverConnections(t *testing.T) {
	n := &internet{
		a:    map[string]string{"both.example.com.": "both.example.com. 300 IN A 192.0.2.2"},
		aaaa: map[string]string{"both.example.com.": "both.example.com. 10 IN AAAA 2001:db8::2"},
	}
	truncating := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if w.RemoteAddr().Network() == "tcp" {
			n.ServeDNS(w, q)
			return
		}
		m := new(dns.Msg).SetReply(q)
		m.Truncated = true
		_ = w.WriteMsg(m)
	})
	secure, roots := tlsServer(t, "dns.example.com", n)
	for name, tt := range map[string]struct {
		server   netip.AddrPort
		tlsNames map[netip.AddrPort]string
	}{
		"UDP":       {server: dnstest.NewServer(t, n).AddrPort()},
		"truncated": {server: dnstest.NewServer(t, truncating).AddrPort()},
		"TLS":       {server: secure, tlsNames: map[netip.AddrPort]string{secure: "dns.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := directForwarder(t, upstream.Options{Direct: true, RootCAs: roots})
			f.SetServers([]netip.AddrPort{tt.server}, nil, tt.tlsNames)
			addr := serve(t, skydns.Options{
				Backend: twinZone(), Forwarder: f, Autopath: true, SearchDomains: []string{"corp.example."},
			})
			for _, tcp := range []bool{false, true} {
				for qtype, want := range map[uint16]string{
					dns.TypeA: "CNAME both.example.com. A 192.0.2.2", dns.TypeAAAA: "CNAME both.example.com. AAAA 2001:db8::2",
				} {
					reply := dnstest.Exchange(t, addr, dnstest.Query("both.example.com.ns.svc.cluster.local", qtype), tcp)
					if got := brief(reply); got != want {
						t.Errorf("%s over TCP %v: %s, want %s", dns.Type(qtype), tcp, got, want)
					}
				}
			}
		})
	}
}

// A panic during a search costs one SERVFAIL.
func TestAutopathPanic(t *testing.T) {
	gone := newMute(t)
	reg := prometheus.NewRegistry()
	_, addr := forwarding(t, skydns.Options{
		Backend: twinZone(), Autopath: true, SearchDomains: []string{"corp.example."},
		Logger: slog.New(panicky{slog.DiscardHandler}), Registerer: reg,
	}, gone)
	_ = gone.Close()
	c := newClient(t, addr)
	c.ask(7, "www.example.com.ns.svc.cluster.local")
	if got := c.next(); binary.BigEndian.Uint16(got) != 7 || got[3]&0xf != dns.RcodeServerFailure {
		t.Errorf("got %q", got)
	}
	if n := value(t, reg, "kubedns_dns_panics_total"); n != 1 {
		t.Errorf("%v panics counted", n)
	}
}

// While the upstream is silent the client continues, and the search stops.
func TestAutopathSilentUpstream(t *testing.T) {
	_, addr := forwarding(t, skydns.Options{Autopath: true, SearchDomains: []string{"corp.example."}}, newMute(t))
	c := newClient(t, addr)
	c.ask(7, "www.example.com.ns.svc.cluster.local")
	if got := c.next(); binary.BigEndian.Uint16(got) != 7 || got[3]&0xf != dns.RcodeNameError {
		t.Errorf("got %q", got)
	}
}
