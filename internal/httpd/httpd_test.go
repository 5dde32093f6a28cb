package httpd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/httpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A running is a server started by a test.
type running struct {
	url  string
	stop context.CancelFunc
	done chan error // the result of Serve
}

func serve(t *testing.T, handler http.Handler, log io.Writer) *running {
	t.Helper()
	ln, err := httpd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{url: "http://" + ln.Addr().String(), stop: cancel, done: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(log, nil))
	var wg sync.WaitGroup
	wg.Go(func() { r.done <- httpd.Serve(ctx, ln, handler, logger) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// get returns status and body of a path.
func get(t *testing.T, url string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestServeUntilDone(t *testing.T) {
	r := serve(t, http.HandlerFunc(hello), io.Discard)
	if code, body, err := get(t, r.url); err != nil || code != 200 || body != "hello" {
		t.Fatalf("got %d %q, %v", code, body, err)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if _, _, err := get(t, r.url); err == nil {
		t.Error("the port is still open")
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		hello(w, r)
	}), io.Discard)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-started
		r.stop()
		close(finish)
	})
	code, body, err := get(t, r.url)
	if err != nil || code != 200 || body != "hello" {
		t.Errorf("got %d %q, %v", code, body, err)
	}
	wg.Wait()
	if err := <-r.done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

func TestStopCutsRequestsThatHang(t *testing.T) {
	started := make(chan struct{})
	r := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done() // ends when the connection is cut
	}), io.Discard)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-started
		r.stop()
	})
	if _, _, err := get(t, r.url); err == nil {
		t.Error("a request that hangs was answered")
	}
	wg.Wait()
	if err := <-r.done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

func TestServeFailure(t *testing.T) {
	ln, err := httpd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	err = httpd.Serve(t.Context(), ln, http.HandlerFunc(hello), slog.New(slog.DiscardHandler))
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("Serve = %v, want one about %s", err, ln.Addr())
	}
}

func TestListenTakenPort(t *testing.T) {
	ln, err := httpd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = httpd.Listen(ln.Addr().String())
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("Listen = %v, want one that names %s", err, ln.Addr())
	}
}

func TestPanicEndsOnlyItsRequest(t *testing.T) {
	var log bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("bad day") })
	mux.HandleFunc("/", hello)
	r := serve(t, mux, &log)
	if _, _, err := get(t, r.url+"/panic"); err == nil {
		t.Error("the request that panicked was answered")
	}
	if _, body, err := get(t, r.url); err != nil || body != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "bad day") {
		t.Errorf("log = %s, want a warning about the panic", log.String())
	}
}

func TestHeaderLimit(t *testing.T) {
	r := serve(t, http.HandlerFunc(hello), io.Discard)
	code, _, err := get(t, r.url+"/?"+strings.Repeat("x", 64<<10))
	if err != nil || code < 400 {
		t.Errorf("got %d, %v; want the request refused", code, err)
	}
}

func TestPprofHandler(t *testing.T) {
	tests := map[string]struct {
		path     string
		wantCode int
		want     string
	}{
		"index":        {"/debug/pprof/", 200, "goroutine"},
		"profile":      {"/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		"command line": {"/debug/pprof/cmdline", 200, "httpd"},
		"other paths":  {"/metrics", 404, ""},
		"not the root": {"/", 404, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			httpd.PprofHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil))
			if w.Code != tt.wantCode || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %.200q, want %d and %q", w.Code, w.Body, tt.wantCode, tt.want)
			}
		})
	}
}

// brokenCollector always fails.
type brokenCollector struct{ desc *prometheus.Desc }

func (c brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }
func (c brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(c.desc, errors.New("broken"))
}

func TestMetricsHandler(t *testing.T) {
	reg := httpd.NewRegistry("kubedns", "x", "")
	handler := httpd.MetricsHandler(reg)
	httpd.MetricsHandler(reg) // a second handler of the same registry is allowed
	scrape := func() string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	scrape()
	reg.MustRegister(brokenCollector{prometheus.NewDesc("broken", "", nil, nil)})
	scrape() // counts the error
	got := scrape()
	for _, want := range []string{
		"\ngo_goroutines ",
		"\nprocess_start_time_seconds ",
		"\npromhttp_metric_handler_requests_total{code=\"200\"} 2\n",
		"\npromhttp_metric_handler_requests_in_flight 1\n",
		"\npromhttp_metric_handler_errors_total{cause=\"gathering\"} 1\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}
