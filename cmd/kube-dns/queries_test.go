package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/querylog"
)

// A runningProcess is a kube-dns of a directory of manifests.
type runningProcess struct {
	*process
	dns, http string
}

func startProcess(t *testing.T, args ...string) runningProcess {
	t.Helper()
	return runProcess(t, newTestProcess(t, args...))
}

// newTestProcess returns a kube-dns of a directory of manifests that does not run yet.
func newTestProcess(t *testing.T, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	manifest := "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: prod}\nspec: {clusterIP: 10.0.0.1}\n"
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	fs, o := newFlags()
	err := fs.Parse(append([]string{
		"--manifests=" + dir, "--dns-bind-address=127.0.0.1", "--dns-port=0", "--healthz-port=0",
		"--http-bind-address=127.0.0.1",
	}, args...))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(t.Context(), o, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runProcess runs a process until the test ends.
func runProcess(t *testing.T, p *process) runningProcess {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running errgroup.Group
	running.Go(func() error { return p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return runningProcess{p, p.listeners.queries.Addr().String(), "http://" + p.listeners.status.Addr().String()}
}

// request returns the status and the body of a reply.
func (p runningProcess) request(t *testing.T, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestQueryLog: an operator switches the log on and sees the clients and their queries. The page
// shows them to no one else.
func TestQueryLog(t *testing.T) {
	p := startProcess(t)
	if code, body := p.request(t, "GET", "/top"); code != http.StatusConflict {
		t.Fatalf("/top of a log that is off: %d %s", code, body)
	}
	if code, body := p.request(t, "POST", "/querylog?seconds=60"); code != http.StatusOK {
		t.Fatalf("POST: %d %s", code, body)
	}
	reports := func() querylog.Report {
		t.Helper()
		dnstest.Exchange(t, p.dns, dnstest.Query("Web.prod.svc.cluster.local.", dns.TypeA), false)
		var report querylog.Report
		_, body := p.request(t, "GET", "/top?window=5m&by=name")
		if err := json.Unmarshal([]byte(body), &report); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return report
	}
	report := reports()
	for report.Total == 0 {
		report = reports()
	}
	if row := report.Rows[0]; row.Name != "web.prod.svc.cluster.local." || row.Types["A"] == 0 {
		t.Errorf("got %+v", report)
	}
	for _, tt := range []struct {
		from, host string
		want       bool
	}{
		{"127.0.0.1:1", "localhost:8081", true},
		{"127.0.0.1:1", "rebound.example.com:8081", false},
		{"10.1.2.3:1", "10.1.2.4:8081", false},
	} {
		from, want := tt.from, tt.want
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = tt.from, tt.host
		w := httptest.NewRecorder()
		p.status.handler().ServeHTTP(w, r)
		page := w.Body.String()
		if strings.Contains(page, "web.prod.svc") != want || strings.Contains(page, "Most frequent names") != want {
			t.Errorf("the page for %s, want names: %v\n%s", from, want, page)
		}
		if !strings.Contains(page, "query log  ") {
			t.Errorf("the page for %s does not show that the log is on:\n%s", from, page)
		}
	}
}

// TestQueryLogAccess: by default no other pod can switch on or read the log.
func TestQueryLogAccess(t *testing.T) {
	for _, tt := range []struct {
		allow, from string
		want        int
	}{
		{"", "127.0.0.1:1", 200}, {"", "10.1.2.3:1", 403}, {"any", "10.1.2.3:1", 200}, {"none", "127.0.0.1:1", 403},
	} {
		args := []string{"--querylog-sample=0.5"}
		if tt.allow != "" {
			args = append(args, "--querylog-allow="+tt.allow)
		}
		p := startProcess(t, args...)
		for _, request := range []string{"POST /querylog", "PUT /querylog", "GET /querylog", "GET /top"} {
			method, path, _ := strings.Cut(request, " ")
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			r.RemoteAddr, r.Host = tt.from, "localhost:8081"
			w := httptest.NewRecorder()
			p.status.handler().ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%s from %s with --querylog-allow=%s: %d, want %d", request, tt.from, tt.allow, w.Code, tt.want)
			}
		}
		if on := p.queries.State().On; on != (tt.want == 200) {
			t.Errorf("from %s with --querylog-allow=%s: on is %v", tt.from, tt.allow, on)
		}
	}
}

// TestDnstap: a process writes its last queries before it exits.
func TestDnstap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "queries.tap")
	t.Run("process", func(t *testing.T) {
		p := startProcess(t, "--querylog-dnstap=file:"+file, "--querylog-clients=none")
		for range 3 {
			dnstest.Exchange(t, p.dns, dnstest.Query("web.prod.svc.cluster.local.", dns.TypeA), false)
		}
		if _, page := p.request(t, "GET", "/?format=text"); !strings.Contains(page, "queries are sent to file:"+file) {
			t.Errorf("the page does not show where queries are sent:\n%s", page)
		}
		// A query is counted after its reply is sent.
		for deadline := time.Now().Add(30 * time.Second); sent(t, file) < 3 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	if n := sent(t, file); n != 3 {
		t.Errorf("%d queries in the file, want 3", n)
	}
}

// sent returns the number of queries in a file for dnstap, which can be missing.
func sent(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "\x03web\x04prod\x03svc")
}

// TestLevelAccess: no other pod can change the log level.
func TestLevelAccess(t *testing.T) {
	p := startProcess(t, "--querylog-allow=any")
	for from, want := range map[string]int{"127.0.0.1:1": 400, "10.1.2.3:1": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/debug/flags/v", strings.NewReader("many"))
		r.RemoteAddr, r.Host = from, "localhost:8081"
		w := httptest.NewRecorder()
		p.status.handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: %d, want %d", from, w.Code, want)
		}
	}
}

func TestQueryLogFlags(t *testing.T) {
	for text, want := range map[string]string{
		"--querylog-allow=all":    `want none, loopback or any`,
		"--querylog-sample=2":     "want a number from 1e-06 to 1, such as 0.01",
		"--querylog-clients=some": "want full, prefix or none",
	} {
		_, err := parseFlags([]string{text}, io.Discard)
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
