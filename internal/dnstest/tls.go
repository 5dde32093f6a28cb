package dnstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// NewTLSServer starts a server over TLS on a free port of 127.0.0.1. It stops when the test ends.
// Its certificate is for name and for 127.0.0.1. root is the certificate in PEM, for clients to
// trust.
func NewTLSServer(t testing.TB, name string, handler dns.Handler) (server *Server, root []byte) {
	t.Helper()
	certificate := selfSigned(t, name)
	listener, err := tls.Listen("tcp", netip.AddrPortFrom(loopback, 0).String(), &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatalf("start DNS server over TLS: %v", err)
	}
	s := &Server{addr: listener.Addr().(*net.TCPAddr).AddrPort()}
	s.start(t, &dns.Server{Listener: listener, Handler: handler, MaxTCPQueries: -1})
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
}

func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
