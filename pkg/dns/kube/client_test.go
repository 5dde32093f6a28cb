package kube_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

func TestNewClientErrors(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		opts kube.ClientOptions
		want []string
	}{
		{"nowhere", kube.ClientOptions{}, []string{"not in a cluster", "--kubecfg-file", "--kube-master-url"}},
		{"kubeconfig missing", kube.ClientOptions{Kubeconfig: filepath.Join(dir, "none")}, []string{"--kubecfg-file=", "none", "no such file"}},
		{"kubeconfig broken", kube.ClientOptions{Kubeconfig: broken}, []string{"--kubecfg-file=", "broken"}},
		{"no URL", kube.ClientOptions{MasterURL: "http://a b"}, []string{"a b"}},
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBERNETES_SERVICE_PORT", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := kube.NewClient(tt.opts)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

// The URL of the flag is called as the user of the kubeconfig, and over HTTP/2 alone:
// its pings find a connection that is dead.
func TestClientOverTLS(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	var agent, auth atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent.Store(r.UserAgent())
		auth.Store(r.Header.Get("Authorization"))
		if r.ProtoMajor != 2 {
			t.Errorf("%s over %s", r.URL, r.Proto)
		}
		serve(api, w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	authority := base64.StdEncoding.EncodeToString(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	config := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://wrong.invalid", "certificate-authority-data": "` + authority + `"}}],
		"users": [{"name": "u", "user": {"token": "secret"}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.NewClient(kube.ClientOptions{Kubeconfig: config, MasterURL: server.URL, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	zone := runUntil(t, client, func(z *kubedns.Zone, _ kube.Status) bool { return z.HasSynced() })
	for key := range zone.ServiceVersions() {
		if key != (kubedns.Key{Namespace: ns, Name: "db"}) {
			t.Errorf("the zone has Service %s", key)
		}
	}
	if got, want := agent.Load(), "kube-dns/1.2.3 ("+runtime.GOOS+"/"+runtime.GOARCH+")"; got != want {
		t.Errorf("user agent %q, want %q", got, want)
	}
	if got := auth.Load(); got != "Bearer secret" {
		t.Errorf("authorization %q, want the kubeconfig's", got)
	}
}

// serve answers a request over HTTP with what the fake says.
func serve(api *fakeAPI, w http.ResponseWriter, r *http.Request) {
	resp, err := api.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_ = http.NewResponseController(w).Flush()
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}

// runUntil runs a source until a condition holds, and stops it.
func runUntil(t *testing.T, client *kube.Client, done func(*kubedns.Zone, kube.Status) bool) *kubedns.Zone {
	t.Helper()
	defer client.CloseIdleConnections()
	source, err := kube.NewSource(kube.SourceOptions{Client: client, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	zone := kubedns.NewZone(kubedns.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, zone) }()
	for deadline := time.Now().Add(30 * time.Second); !done(zone, source.Status()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("still %+v after 30 s", source.Status())
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return zone
}
