package statuspage_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/statuspage"
)

func example(*http.Request) statuspage.Page {
	return statuspage.Page{
		Command: "kube-dns", Version: "v1", Started: time.Now().Add(-90 * time.Minute),
		Parts: []statuspage.Part{
			{Name: "answers", Level: statuspage.OK, Text: "2 Services"},
			{Name: "watch of services", Level: statuspage.Warning, Text: "not open: <b>refused</b>", Since: time.Now()},
		},
		Tables: []statuspage.Table{
			{Caption: "Servers", Columns: []string{"server", "state"}, Rows: [][]string{{"192.0.2.1:53", "answers"}}},
			{Caption: "Others", Columns: []string{"server"}, Empty: "There are none."},
		},
		Charts: []statuspage.Chart{
			{Title: "Replies", Lines: []statuspage.Line{{Name: "NOERROR", Rates: []float64{1, 20, 3}}}},
		},
		Question: &statuspage.Question{
			Title: "What?", Fields: []statuspage.Field{{Name: "name", Label: "Name", Value: `"><script>`}},
			Asked: true, Summary: "Nothing.", Steps: &statuspage.Table{Columns: []string{"query"}, Rows: [][]string{{"web."}}},
		},
		Links: []statuspage.Link{{Path: "/cache", Text: "all names"}},
	}
}

func get(path, accept, method string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	statuspage.Handler(example).ServeHTTP(w, r)
	return w
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		path, accept, method string
		code                 int
		contentType, body    string
	}{
		{"/", "*/*", "GET", 200, "text/plain; charset=utf-8", "WARNING: watch of services: not open"},
		{"/", "*/*", "GET", 200, "text/plain; charset=utf-8", "up 1h30m"},
		{"/", "text/html,*/*", "GET", 200, "text/html; charset=utf-8", `<html lang="en">`},
		{"/", "text/html", "GET", 200, "text/html; charset=utf-8", "not open: &lt;b&gt;refused"},
		{"/", "text/html", "GET", 200, "text/html; charset=utf-8", "now 3.0/s, highest 20/s"},
		{"/", "text/html", "GET", 200, "text/html; charset=utf-8", "There are none."},
		{"/?format=json", "text/html", "GET", 200, "application/json", `"level": "warning"`},
		{"/?format=text", "text/html", "GET", 200, "text/plain; charset=utf-8", "Nothing."},
		{"/?format=xml", "", "GET", 400, "text/plain; charset=utf-8", `format "xml" is not known: use html, text or json`},
		{"/", "", "POST", 405, "text/plain; charset=utf-8", "use GET"},
	} {
		w := get(tt.path, tt.accept, tt.method)
		contentType, body := w.Header().Get("Content-Type"), w.Body.String()
		if w.Code != tt.code || contentType != tt.contentType || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s for %q: got %d %q\n%s\nwant %d %q with %q",
				tt.method, tt.path, tt.accept, w.Code, contentType, body, tt.code, tt.contentType, tt.body)
		}
		if strings.Contains(tt.contentType, "html") && strings.Contains(body, "<script") {
			t.Errorf("what a client sent is part of the document:\n%s", body)
		}
	}
	var p statuspage.Page
	err := json.NewDecoder(get("/?format=json", "", "GET").Body).Decode(&p)
	if err != nil || p.Summary == "" || len(p.Parts) != 2 {
		t.Errorf("got %+v, %v, want the page", p, err)
	}
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		replies := prometheus.NewCounterVec(
			prometheus.CounterOpts{Name: "replies_total", Help: "h"}, []string{"rcode", "proto"})
		reg.MustRegister(replies)
		replies.WithLabelValues("NOERROR", "udp").Add(1000) // before the first sample
		replies.WithLabelValues("REFUSED", "udp").Add(5)
		took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took_seconds", Help: "h"}, []string{"server"})
		reg.MustRegister(took)
		took.WithLabelValues("192.0.2.1:53").Observe(100) // before the first sample
		h := statuspage.NewHistory(reg, statuspage.Counted{Title: "Replies", Metric: "replies_total", Label: "rcode"},
			statuspage.Counted{Title: "Replies of servers", Metric: "took_seconds_count", Label: "server"},
			statuspage.Counted{Title: "Time of servers", Metric: "took_seconds_sum", Label: "server"})
		go func() { _ = h.Run(t.Context()) }()
		synctest.Wait()
		for range 70 {
			replies.WithLabelValues("NOERROR", "udp").Add(20)
			replies.WithLabelValues("NOERROR", "tcp").Add(10)
			replies.WithLabelValues("NXDOMAIN", "udp").Add(5)
			took.WithLabelValues("192.0.2.1:53").Observe(2)
			took.WithLabelValues("192.0.2.1:53").Observe(3)
			time.Sleep(statuspage.Every)
			synctest.Wait()
		}
		lines := h.Charts()[0].Lines
		if len(lines) != 2 || lines[0].Name != "NOERROR" || lines[0].Now() != "3.0/s" || lines[1].Highest() != "0.5/s" {
			t.Errorf("got %+v, want NOERROR with 3.0/s, then NXDOMAIN with 0.5/s", lines)
		}
		if grown := h.Grown("replies_total"); grown["NOERROR"] != 180 || grown["REFUSED"] != 0 {
			t.Errorf("got %v, want the growth of one minute, 180 NOERROR", grown)
		}
		for metric, want := range map[string]float64{"took_seconds_count": 12, "took_seconds_sum": 30} {
			if grown := h.Grown(metric); grown["192.0.2.1:53"] != want {
				t.Errorf("%s: got %v, want the growth of one minute, %v", metric, grown, want)
			}
		}
		if n := len(lines[0].Rates); n != 60 {
			t.Errorf("got %d rates, want those of ten minutes, 60", n)
		}
		took.DeleteLabelValues("192.0.2.1:53") // a server that left the configuration
		time.Sleep(statuspage.Every)
		synctest.Wait()
		if line := h.Charts()[1].Lines[0]; line.Now() != "0/s" || line.Highest() != "0.2/s" {
			t.Errorf("got %+v, want the end of the line, and its last minutes", line)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if lines := h.Charts()[1].Lines; len(lines) != 0 {
			t.Errorf("got %+v, want no line after ten minutes", lines)
		}
	})
}
