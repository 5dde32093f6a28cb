package kube_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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
		{"kubeconfig missing", kube.ClientOptions{Kubeconfig: filepath.Join(dir, "none")},
			[]string{"--kubecfg-file=", "none", "no such file"}},
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

// The URL of the flag is used with the user of the kubeconfig. The server supports only HTTP/2.
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
	client := clientOf(t, server, server.URL, "")
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

// clientOf returns a client of a server at a URL, with more settings of the cluster.
func clientOf(t *testing.T, server *httptest.Server, url, more string) *kube.Client {
	t.Helper()
	authority := base64.StdEncoding.EncodeToString(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	config := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://wrong.invalid",
			"certificate-authority-data": "` + authority + `"` + more + `}}],
		"users": [{"name": "u", "user": {"token": "secret"}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.NewClient(kube.ClientOptions{Kubeconfig: config, MasterURL: url, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// A path is a network path to a server. It can lose its packets: connections remain open and are
// silent.
type path struct {
	listener net.Listener
	to       string
	lost     atomic.Bool // of the currently open connections
	group    sync.WaitGroup
}

func newPath(t *testing.T, to string) *path {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &path{listener: listener, to: to}
	p.group.Go(p.accept)
	t.Cleanup(func() { listener.Close(); p.group.Wait() })
	return p
}

func (p *path) accept() {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			return
		}
		open = append(open, in, out)
		fresh := p.lost.Load() // connections after the loss work
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.group.Go(func() {
				buf := make([]byte, 64<<10)
				for {
					n, err := pair[0].Read(buf)
					if err != nil {
						return
					}
					if fresh || !p.lost.Load() {
						_, _ = pair[1].Write(buf[:n])
					}
				}
			})
		}
	}
}

// The pings of HTTP/2 find a silently dead connection, even before the first bookmark. client-go
// reads these variables. By default it sends a ping after 30 s, and waits 15 s for the reply.
func TestDeadConnection(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		serve(api, w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close) // after the path
	path := newPath(t, server.Listener.Addr().String())
	// client-go shares connections of clients with the same settings. Another setting makes sure
	// that this client has its own pings.
	runUntil(t, clientOf(t, server, "https://"+path.listener.Addr().String(), `, "disable-compression": true`),
		func(z *kubedns.Zone, s kube.Status) bool {
			if z.HasSynced() && s.Trouble() == "" && !path.lost.Load() {
				path.lost.Store(true)
				api.put(clusterIP("web", "10.0.0.2"))
			}
			return path.lost.Load() && z.Generation() > 1
		})
}

// serve replies to a request over HTTP with the fake's reply.
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
	source := kube.NewSource(kube.SourceOptions{Client: client, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
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
