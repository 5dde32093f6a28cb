package skydns_test

import (
	"crypto/x509"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// tlsServer runs a server over TLS with a certificate for a name and for 127.0.0.1, and
// returns its address and the roots that a client needs.
func tlsServer(t *testing.T, name string, handler dns.Handler) (netip.AddrPort, *x509.CertPool) {
	t.Helper()
	server, root := dnstest.NewTLSServer(t, name, handler)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate:\n%s", root)
	}
	return server.AddrPort(), roots
}

// Upstreams and stub servers are queried over TLS, and the name in the certificate counts.
func TestTLS(t *testing.T) {
	var asked atomic.Int32
	server, roots := tlsServer(t, "dns.example.com",
		counting(&asked, answerWith(t, "www.outside.example. 0 IN A 192.0.2.1")))
	plain := dnstest.NewServer(t, answerWith(t, "www.outside.example. 0 IN A 192.0.2.9")).AddrPort()
	for name, tt := range map[string]struct {
		upstreams  []netip.AddrPort
		stub       bool
		serverName string
		want       string
	}{
		"the address":  {upstreams: []netip.AddrPort{server}, want: "192.0.2.1"},
		"the name":     {upstreams: []netip.AddrPort{server}, serverName: "dns.example.com", want: "192.0.2.1"},
		"another name": {upstreams: []netip.AddrPort{server}, serverName: "other.example.com"},
		"then one without TLS": {upstreams: []netip.AddrPort{server, plain}, serverName: "other.example.com",
			want: "192.0.2.9"},
		"a stub domain": {upstreams: []netip.AddrPort{plain}, stub: true, want: "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := upstream.NewForwarder(upstream.Options{Direct: true, RootCAs: roots})
			t.Cleanup(f.Close)
			stubs := map[string][]upstream.StubServer{}
			if tt.stub {
				stubs["outside.example"] = []upstream.StubServer{{Addr: server}}
			}
			f.SetServers(tt.upstreams, stubs, map[netip.AddrPort]string{server: tt.serverName})
			addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
			for _, tcp := range []bool{false, true, false} {
				reply := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), tcp)
				if tt.want == "" {
					if reply.Rcode != dns.RcodeServerFailure {
						t.Errorf("TCP %v:\n%s", tcp, reply)
					}
					continue
				}
				if len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() != tt.want {
					t.Errorf("TCP %v:\n%s", tcp, reply)
				}
			}
		})
	}
	if asked.Load() == 0 {
		t.Error("nothing was asked over TLS")
	}
}
