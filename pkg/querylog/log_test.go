package querylog_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/pkg/querylog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a log until the test ends.
func run(t *testing.T, opts querylog.Options) *querylog.Log {
	t.Helper()
	l := querylog.New(opts)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return l
}

// put offers n queries for a name to the tap.
func put(l *querylog.Log, n int, name string, rcode int) {
	for range n {
		if draw, picked := l.Tap().Pick(); picked {
			l.Tap().Put(querylog.Entry{
				Time: time.Now(), Client: netip.MustParseAddr("192.0.2.77"), Name: name, Type: dns.TypeA, Rcode: rcode,
				Size: 100, Took: time.Millisecond, Path: querylog.Fast, Draw: draw,
			})
		}
	}
}

func request(t *testing.T, l *querylog.Log, method, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestOffByDefault(t *testing.T) {
	l := run(t, querylog.Options{})
	var none *querylog.Tap
	for _, tap := range []*querylog.Tap{l.Tap(), none} {
		if _, picked := tap.Pick(); picked {
			t.Error("a query is sampled while the log is off")
		}
	}
	for _, target := range []string{"/top", "/querylog?seconds=1"} {
		if code, body := request(t, l, "GET", target); code != 409 || !strings.Contains(body, "POST /querylog") {
			t.Errorf("GET %s: %d %s", target, code, body)
		}
	}
	if code, body := request(t, l, "GET", "/querylog"); code != 200 ||
		body != `{"apiVersion":"v1","on":false,"clients":"full"}` {
		t.Errorf("GET /querylog: %d %s", code, body)
	}
}

func TestRequests(t *testing.T) {
	l := run(t, querylog.Options{})
	for _, tt := range []struct {
		method, target string
		code           int
		body           string
	}{
		{"POST", "/querylog?seconds=901", 400, "seconds=901: want a number from 1 to 900"},
		{"POST", "/querylog?seconds=0", 400, "seconds=0"},
		{"POST", "/querylog?sample=0", 400, "sample=0: want a number from 1e-06 to 1, such as 0.01"},
		{"POST", "/querylog?sample=NaN", 400, "sample=NaN"},
		{"POST", "/querylog?lines=1001", 400, "lines=1001: want a number from 0 to 1000"},
		{"POST", "/querylog?second=5", 400, "the parameter second is not known: use seconds, sample, lines, rcode"},
		{"POST", "/querylog?rcode=SERVFAIl,NOPE", 400, "rcode=SERVFAIl,NOPE: want names of response codes"},
		{"POST", "/querylog?client=x", 400, "client=x: want an address or a prefix"},
		{"POST", "/querylog?type=AAAAA", 400, "type=AAAAA: want names of types"},
		{"POST", "/querylog?slower=-1s", 400, "slower=-1s: want a duration"},
		{"HEAD", "/querylog", 200, ""},
		{"PATCH", "/querylog", 405, "Method Not Allowed"},
		{"POST", "/top", 405, "Method Not Allowed"},
		{"GET", "/querylog", 200, `"on":false`}, // none of these has switched it on
		{"PUT", "/querylog?sample=0.5&lines=10", 200, `"sample":0.5,"lines":10,"clients":"full"`},
		{"GET", "/querylog?rate=0", 400, "rate=0: want a number from 1 to 1000"},
		{"GET", "/querylog?seconds=3600", 400, "seconds=3600: want a number from 1 to 900"},
		{"GET", "/top?window=1s", 400, "window=1s: want a duration from 30s to 10m0s, such as 5m"},
		{"GET", "/top?by=server", 400, "by=server: want name, client, rcode or type"},
		{"GET", "/top?rcode=BAD", 400, "rcode=BAD: want one of NOERROR, NXDOMAIN, SERVFAIL"},
		{"GET", "/top", 200, `"total":0,"sampled":0.5,"rows":[]`},
		{"DELETE", "/querylog", 200, `"on":false`},
		{"GET", "/top", 409, "the query log is off"},
	} {
		if code, body := request(t, l, tt.method, tt.target); code != tt.code || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: %d %s\nwant %d %s", tt.method, tt.target, code, body, tt.code, tt.body)
		}
	}
}

// TestEndsByItself: the log is off after its time, and stores no entries.
func TestEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		reg := prometheus.NewRegistry()
		l := run(t, querylog.Options{
			Clients: querylog.PrefixClients, Metrics: querylog.NewMetrics(reg),
			Logger: slog.New(slog.NewTextHandler(&out, nil)),
		})
		filter, err := querylog.ParseFilter(map[string][]string{"rcode": {"servfail"}, "name": {"example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		l.Start(querylog.Settings{For: time.Minute, Sample: 1, Lines: 2, Filter: filter})
		for range 2 {
			put(l, 5, "www.example.com.", dns.RcodeServerFailure)
			put(l, 5, "www.example.com.", dns.RcodeSuccess)
			put(l, 5, "wwwexample.com.", dns.RcodeServerFailure)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		line := "msg=query client=192.0.2.0 proto=udp name=www.example.com. type=A rcode=SERVFAIL " +
			"bytes=100 seconds=0.001 path=fast"
		if n := strings.Count(out.String(), "msg=query"); n != 4 || strings.Count(out.String(), line) != n {
			t.Errorf("%d lines in two seconds, want 4 of %s:\n%s", n, line, out.String())
		}
		got, err := l.Report(querylog.Question{Window: time.Minute, By: querylog.ByClient, Limit: 5})
		if err != nil || got.Total != 30 || got.Rows[0].Client != "192.0.2.0" || got.Rows[0].Count != 30 {
			t.Errorf("report %+v, %v", got, err)
		}
		want := `
# HELP kubedns_querylog_on 1 while the query log is switched on, else 0.
# TYPE kubedns_querylog_on gauge
kubedns_querylog_on %s
`
		compare := func(on string) {
			t.Helper()
			err := testutil.GatherAndCompare(reg, strings.NewReader(strings.ReplaceAll(want, "%s", on)), "kubedns_querylog_on")
			if err != nil {
				t.Error(err)
			}
		}
		compare("1")
		time.Sleep(time.Minute)
		synctest.Wait()
		compare("0")
		if _, err := l.Report(querylog.Question{Window: time.Minute, By: querylog.ByName}); err == nil {
			t.Error("there is a report after the end")
		}
		if _, picked := l.Tap().Pick(); picked {
			t.Error("a query is sampled after the end")
		}
	})
}

// TestStartAgain: a second Start keeps the counts if the share is the same.
func TestStartAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, querylog.Options{Clients: querylog.NoClients})
		for _, tt := range []struct {
			sample float64
			total  uint64
		}{{1, 3}, {1, 6}, {0.999999, 3}} {
			l.Start(querylog.Settings{For: time.Minute, Sample: tt.sample})
			put(l, 3, "a.", 0)
			time.Sleep(time.Second)
			synctest.Wait()
			got, err := l.Report(querylog.Question{Window: time.Minute, By: querylog.ByClient})
			if err != nil || got.Total != tt.total || len(got.Rows) != 0 {
				t.Errorf("sample %v: %+v, %v, want %d and no client", tt.sample, got, err, tt.total)
			}
		}
	})
}

// TestFloodIsBounded: entries that no reader takes are dropped and counted.
func TestFloodIsBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	l := querylog.New(querylog.Options{Metrics: querylog.NewMetrics(reg)}) // it does not run
	l.Start(querylog.Settings{For: time.Minute, Sample: 1})
	put(l, 10_000, "a.", 0)
	want := `
# HELP kubedns_querylog_dropped_total Sampled queries that were dropped because there were too many. ` +
		`They were for all sinks (sink="buffer"), for the log ("log"), for a reader of /querylog ("stream"), ` +
		`or for dnstap ("dnstap").
# TYPE kubedns_querylog_dropped_total counter
kubedns_querylog_dropped_total{sink="buffer"} 1808
kubedns_querylog_dropped_total{sink="dnstap"} 0
kubedns_querylog_dropped_total{sink="log"} 0
kubedns_querylog_dropped_total{sink="stream"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "kubedns_querylog_dropped_total"); err != nil {
		t.Error(err)
	}
}

func TestSampledShare(t *testing.T) {
	l := querylog.New(querylog.Options{})
	l.Start(querylog.Settings{For: time.Minute, Sample: 0.25})
	n := 0
	for range 100_000 {
		if _, picked := l.Tap().Pick(); picked {
			n++
		}
	}
	if n < 24_000 || n > 26_000 { // more than seven standard deviations
		t.Errorf("%d of 100000 are sampled", n)
	}
}

// TestStream: a reader gets lines while they are sampled, and the stream stops with the session.
func TestStream(t *testing.T) {
	l := run(t, querylog.Options{})
	server := httptest.NewServer(l.Handler())
	defer server.Close()
	l.Start(querylog.Settings{For: time.Minute, Sample: 1})
	get := func() (int, io.Reader) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			server.URL+"/querylog?seconds=60&name=example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.StatusCode, resp.Body
	}
	_, body := get()
	for range 3 {
		get()
	}
	if code, _ := get(); code != http.StatusServiceUnavailable {
		t.Errorf("a fifth reader gets %d", code)
	}
	put(l, 1, "example.org.", 0)
	put(l, 1, "a.example.com.", dns.RcodeNameError)
	lines := bufio.NewReader(body)
	text, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339, got["time"].(string)); err != nil {
		t.Error(err)
	}
	delete(got, "time")
	rest, _ := json.Marshal(got)
	if want := `{"bytes":100,"client":"192.0.2.77","name":"a.example.com.","path":"fast","proto":"udp",` +
		`"rcode":"NXDOMAIN","seconds":0.001,"type":"A"}`; string(rest) != want {
		t.Errorf("got %s, want %s", rest, want)
	}
	l.Stop()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add("SERVFAIL", "A,AAAA", "example.com.", "10.0.0.0/8", "5ms")
	f.Add("", ",", "..", "::1%eth0", "1h")
	f.Fuzz(func(_ *testing.T, rcode, qtype, name, client, slower string) {
		filter, err := querylog.ParseFilter(map[string][]string{
			"rcode": {rcode}, "type": {qtype}, "name": {name}, "client": {client}, "slower": {slower},
		})
		if err == nil {
			filter.Takes(&querylog.Entry{Name: "a.example.com."})
		}
	})
}
