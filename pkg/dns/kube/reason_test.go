package kube_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// An authority signs certificates.
type authority struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key: key, cert: cert, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// sign returns a certificate for 127.0.0.1 with the changes of change.
func (a *authority) sign(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// Each connection failure has a class of one word, and advice.
func TestConnectionReasons(t *testing.T) {
	known, unknown := newAuthority(t), newAuthority(t)
	good := func(*x509.Certificate) {}
	tests := []struct {
		name       string
		cert       func(*x509.Certificate)
		tls        func(*tls.Config)
		by         *authority
		url        string // %s is the host and port of the server
		want       listwatch.Reason
		wantAdvice string
	}{
		{
			name: "name only in the common name", want: listwatch.CertificateWithoutSAN, wantAdvice: "subject alternative name",
			cert: func(c *x509.Certificate) { c.IPAddresses = nil },
		},
		{
			name: "certificate for another name", want: listwatch.CertificateName, wantAdvice: "--kube-master-url",
			cert: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} },
		},
		{name: "authority not known", by: unknown, cert: good, want: listwatch.CertificateAuthority,
			wantAdvice: "certificate-authority"},
		{
			name: "certificate expired", want: listwatch.CertificateExpired, wantAdvice: "clock",
			cert: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		},
		{
			name: "certificate signed with SHA-1", want: listwatch.CertificateWeak, wantAdvice: "SHA-256",
			cert: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA },
		},
		{
			name: "certificate not for servers", want: listwatch.CertificateInvalid, wantAdvice: "issue",
			cert: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		},
		{
			name: "protocol too old", want: listwatch.Protocol, wantAdvice: "TLS 1.2", cert: good,
			tls: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		},
		{
			name: "client certificate demanded", want: listwatch.ClientCertificate, wantAdvice: "client certificate", cert: good,
			tls: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		},
		{name: "http on a TLS port", cert: good, url: "http://%s", want: listwatch.Protocol, wantAdvice: "https"},
		{name: "https on a plain port", url: "https://%s", want: listwatch.Protocol, wantAdvice: "https"},
		{name: "connection closed", url: "http://%s", want: listwatch.ConnectionLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(
				func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
			server.Config.ErrorLog = log.New(t.Output(), "", 0)
			defer server.Close()
			if tt.cert == nil {
				server.Start()
			} else {
				by := known
				if tt.by != nil {
					by = tt.by
				}
				server.TLS = &tls.Config{Certificates: []tls.Certificate{by.sign(t, tt.cert)}}
				if tt.tls != nil {
					tt.tls(server.TLS)
				}
				server.StartTLS()
			}
			if tt.url != "" {
				server.URL = fmt.Sprintf(tt.url, server.Listener.Addr())
			}
			got := problemWith(t, server.URL, known.pem)
			if got.Reason != tt.want || !strings.Contains(got.Advice, tt.wantAdvice) ||
				(tt.wantAdvice == "") != (got.Advice == "") {
				t.Errorf("problem %+v; want %s and advice with %q", got, tt.want, tt.wantAdvice)
			}
		})
	}
}

// problemWith runs a source on a server until it has a problem.
func problemWith(t *testing.T, server string, ca []byte) kube.Problem {
	t.Helper()
	authority := ""
	if strings.HasPrefix(server, "https:") {
		authority = `, "certificate-authority-data": "` + base64.StdEncoding.EncodeToString(ca) + `"`
	}
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q%s}}]}`, server, authority)
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.NewClient(kube.ClientOptions{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	var got kube.Problem
	runUntil(t, client, func(_ *kubedns.Zone, s kube.Status) bool {
		if s.Problem == nil {
			return false
		}
		got = *s.Problem
		return true
	})
	return got
}

func TestReasonOf(t *testing.T) {
	status := func(code int) error { return &apierrors.StatusError{ErrStatus: *statusObject(code)} }
	get := func(err error) error { return &url.Error{Op: "Get", URL: "https://api.test", Err: err} }
	dial := func(err error) error { return get(&net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	tests := []struct {
		name string
		err  error
		want listwatch.Reason
	}{
		{"401", status(401), listwatch.Unauthorized},
		{"403, wrapped", fmt.Errorf("list: %w", status(403)), listwatch.Forbidden},
		{"404", status(404), listwatch.NotFound},
		{"408", status(408), listwatch.Timeout},
		{"422", status(422), listwatch.Other},
		{"429", status(429), listwatch.TooManyRequests},
		{"500", status(500), listwatch.ServerError},
		{"504", status(504), listwatch.Timeout},
		{"refused", dial(syscall.ECONNREFUSED), listwatch.ConnectionRefused},
		{"no route", dial(syscall.EHOSTUNREACH), listwatch.Unreachable},
		{"no network", dial(syscall.ENETUNREACH), listwatch.Unreachable},
		{"no such name", dial(&net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}),
			listwatch.NameResolution},
		{"deadline", get(context.DeadlineExceeded), listwatch.Timeout},
		{"reset", get(syscall.ECONNRESET), listwatch.ConnectionLost},
		{"end of file", get(io.EOF), listwatch.ConnectionLost},
		{"short key", get(errors.New("crypto/rsa: 512-bit keys are insecure")), listwatch.CertificateWeak},
		{"certificate of a later kind", get(errors.New("x509: something new")), listwatch.CertificateInvalid},
		{"HTTP/2 alone", get(errors.New("remote error: tls: no application protocol")), listwatch.Protocol},
		{"no common cipher", get(errors.New("remote error: tls: handshake failure")), listwatch.Protocol},
		{"client certificate expired", get(errors.New("remote error: tls: expired certificate")),
			listwatch.ClientCertificate},
		{"plugin fails", get(errors.New("getting credentials: exec: executable aws not found")), listwatch.Credentials},
		{"unknown", errors.New("something else"), listwatch.Other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := listwatch.ReasonOf(tt.err); got != tt.want {
				t.Errorf("reason of %v = %s, want %s", tt.err, got, tt.want)
			}
		})
	}
}
