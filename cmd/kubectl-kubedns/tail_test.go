package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
)

// logServer serves one line of a query log, or an error.
func logServer(t *testing.T, status int, body string) logPod {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return logPod{"kube-dns-1", strings.TrimPrefix(s.URL, "http://")}
}

const logLine = `{"time":"2026-01-01T00:00:00.5Z","client":"192.0.2.7","proto":"udp",` +
	`"name":"web.a.svc.cluster.local.","type":"A","rcode":"NXDOMAIN","bytes":71,"seconds":0.0021,"path":"fast"}` + "\n"

func TestTail(t *testing.T) {
	for format, want := range map[report.Format]string{
		report.Table: "00:00:00.500 192.0.2.7       udp NXDOMAIN A     web.a.svc.cluster.local. 2.1ms fast\n",
		report.JSON:  logLine,
	} {
		var out bytes.Buffer
		p := &report.Printer{Out: &out, Format: format}
		pods := []logPod{logServer(t, http.StatusOK, logLine), logServer(t, http.StatusOK, "")}
		if err := follow(t.Context(), p, pods, (&tailFlags{}).path()); err != nil || out.String() != want {
			t.Errorf("%s: got %v, %q, want %q", format, err, out.String(), want)
		}
	}
}

// TestLogErrors checks the message for a user when a pod does not serve its log.
func TestLogErrors(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusNotFound:  "it needs a newer version",
		http.StatusConflict:  "switch it on with --switch-on 5m",
		http.StatusForbidden: "--querylog-allow=none",
		http.StatusTeapot:    "status 418",
	} {
		p := &report.Printer{Out: &bytes.Buffer{}, Format: report.Table}
		err := follow(t.Context(), p, []logPod{logServer(t, status, "no")}, "/querylog")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "kube-dns-1") {
			t.Errorf("status %d: got %v, want %q", status, err, want)
		}
	}
}

func TestTopAndTailUsage(t *testing.T) {
	for args, want := range map[string]string{
		"top --by x":                       "--by: \"x\" cannot be counted: write name, client, rcode, type or server",
		"top --by server --rcode SERVFAIL": "leave it out with --by server",
		"top --by server --switch-on 5m":   "--by server needs no query log",
		"top --window 1s":                  "--window: 1s is out of range",
		"top --limit 0":                    "--limit: 0 is out of range",
		"top --clients":                    "--clients needs --by client",
		"top --switch-on 1h":               "--switch-on: 1h0m0s is out of range",
		"tail --for 1h":                    "--for: 1h0m0s is out of range",
		"tail --rate 0":                    "--rate: 0 is out of range",
		"tail -o yaml":                     "tail writes table or json",
		"explain":                          "kubectl kubedns explain takes NAME",
		"explain web -t X":                 `--type: "X" cannot be explained`,
		"check --fail-on bad":              `--fail-on: "bad" is not a level`,
	} {
		code, out, errOut := runCommand(t, strings.Fields(args)...)
		if code != codeUnknown || out != "" || !strings.Contains(errOut, want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: got code %d, %q %q, want %q", args, code, out, errOut, want)
		}
	}
}
