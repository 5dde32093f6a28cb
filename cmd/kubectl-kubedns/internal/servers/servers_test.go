package servers

import (
	"errors"
	"math"
	"testing"
	"time"
)

const ofSidecar = `{"command":"sidecar","charts":[
	{"title":"a","metric":"kubedns_probe_results_total","lines":[{"name":"ok","rates":[9]}]},
	{"title":"b","metric":"other_dnsmasq_upstream_queries_total","lines":[
		{"name":"192.0.2.1:53","rates":[100,1,2,3]},{"name":"192.0.2.2:53","rates":[1]}]},
	{"title":"c","metric":"other_dnsmasq_upstream_failures_total","lines":[
		{"name":"192.0.2.1:53","rates":[100,0,0,3]},{"name":"192.0.2.3:53","rates":[0.2]}]}]}`

const ofKubeDNS = `{"command":"kube-dns","charts":[
	{"metric":"kubedns_dns_upstream_duration_seconds_count","lines":[{"name":"192.0.2.1:53","rates":[10]}]},
	{"metric":"kubedns_dns_upstream_duration_seconds_sum","lines":[{"name":"192.0.2.1:53","rates":[0.5]}]},
	{"metric":"kubedns_dns_upstream_failures_total","lines":[{"name":"192.0.2.1:53","rates":[1]}]}]}`

func TestSum(t *testing.T) {
	dnsmasq, err := Parse([]byte(ofSidecar), Dnsmasq, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	kubeDNS, err := Parse([]byte(ofKubeDNS), KubeDNS, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	sum := Add(2, []Sum{dnsmasq, kubeDNS, dnsmasq}, 20)
	if sum.Pods != 2 || sum.Window != 30 || len(sum.Lines) != 4 {
		t.Fatalf("got %+v, want 4 lines of 2 pods and 30 s", sum)
	}
	for i, want := range []Line{
		{Server: "192.0.2.1:53", By: Dnsmasq, Queries: 120, PerSecond: 4, Failures: 60, Failed: 0.5},
		{Server: "192.0.2.1:53", By: KubeDNS, Queries: 100, PerSecond: 100. / 30, Failures: 10, Failed: 0.1,
			Latency: 0.05},
		{Server: "192.0.2.2:53", By: Dnsmasq, Queries: 20, PerSecond: 20. / 30},
		{Server: "192.0.2.3:53", By: Dnsmasq, Failures: 4, Failed: 1},
	} {
		got := sum.Lines[i]
		got.took = 0
		if math.Abs(got.Latency-want.Latency) < 1e-9 {
			got.Latency = want.Latency
		}
		if got != want {
			t.Errorf("line %d: got %+v, want %+v", i, got, want)
		}
	}
	if lines := Add(2, []Sum{dnsmasq}, 1).Lines; len(lines) != 1 || lines[0].Server != "192.0.2.1:53" {
		t.Errorf("got %+v, want the server with most queries", lines)
	}
	if lines := Add(1, nil, 1).Lines; len(lines) != 0 {
		t.Errorf("got %+v of no page", lines)
	}
}

func TestParseErrors(t *testing.T) {
	for page, want := range map[string]error{
		`{"command":"kube-dns","charts":[{"title":"Replies","lines":null}]}`: ErrNone,
		ofSidecar:  ErrNone, // no program has the metrics of another
		`not JSON`: nil,
	} {
		_, err := Parse([]byte(page), KubeDNS, time.Minute)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", page, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(ofSidecar))
	f.Add([]byte(ofKubeDNS))
	f.Fuzz(func(t *testing.T, page []byte) {
		for _, program := range []string{KubeDNS, Dnsmasq} {
			sum, err := Parse(page, program, time.Minute)
			if lines := Add(1, []Sum{sum}, 5).Lines; err != nil && len(lines) > 0 || len(lines) > 5 {
				t.Errorf("got %+v with %v", lines, err)
			}
		}
	})
}
