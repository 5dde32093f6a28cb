package skydns_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

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
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{Listener: ln, Handler: handler, NotifyStartedFunc: func() { close(started) }}
	stopped := make(chan struct{})
	go func() { _ = server.ActivateAndServe(); close(stopped) }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-stopped })
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return ln.Addr().(*net.TCPAddr).AddrPort(), roots
}

// Upstreams and stub servers are queried over TLS, and the name in the certificate counts.
func TestTLS(t *testing.T) {
	var asked atomic.Int32
	server, roots := tlsServer(t, "dns.example.com", counting(&asked, answerWith(t, "www.outside.example. 0 IN A 192.0.2.1")))
	plain := dnstest.NewServer(t, answerWith(t, "www.outside.example. 0 IN A 192.0.2.9")).AddrPort()
	for name, tt := range map[string]struct {
		upstreams  []netip.AddrPort
		stub       bool
		serverName string
		want       string
	}{
		"the address":          {upstreams: []netip.AddrPort{server}, want: "192.0.2.1"},
		"the name":             {upstreams: []netip.AddrPort{server}, serverName: "dns.example.com", want: "192.0.2.1"},
		"another name":         {upstreams: []netip.AddrPort{server}, serverName: "other.example.com"},
		"then one without TLS": {upstreams: []netip.AddrPort{server, plain}, serverName: "other.example.com", want: "192.0.2.9"},
		"a stub domain":        {upstreams: []netip.AddrPort{plain}, stub: true, want: "192.0.2.1"},
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
