package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/report"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"none", nil, 0},
		{"odd", []float64{3, 1, 2}, 2},
		{"even", []float64{4, 1, 2, 3}, 2.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := report.Median(tt.in); got != tt.want {
				t.Errorf("Median(%v) = %v, want %v", tt.in, got, tt.want)
			}
		})
	}
}

func run(cpu float64) map[string][]report.MixRun {
	return map[string][]report.MixRun{dataset.MixA: {
		{CPU: cpu * 9, QPS: 1, Rcodes: map[string]int{"NOERROR": 10}},
		{CPU: cpu, QPS: 1000, Rcodes: map[string]int{"NOERROR": 10}},
		{CPU: cpu / 9, QPS: 9000, Rcodes: map[string]int{"NOERROR": 9, "SERVFAIL": 1}, Lost: 2},
	}}
}

func results() *report.Results {
	return &report.Results{Turns: 3, Sets: []*report.Set{{
		Name: "large", Services: 10_000, Endpoints: 50_000, Mixes: []report.Mix{{Name: dataset.MixA, Title: "A"}},
		Peers: map[string]*report.Peer{
			"echo":     {Mixes: run(4), Latency: map[string][]report.Latency{}},
			"kube-dns": {Mixes: run(5), Memory: []report.Memory{{AfterSync: 50, Peak: 51, AfterMixes: 52}}},
			"nsd":      {Mixes: run(5.5)},
			"coredns":  {Mixes: run(10)},
		},
	}}, Grow: []report.GrowPoint{
		{Series: "services", Services: 1000, Endpoints: 1000, RSS: 20, UpdateMs: []float64{.1}},
		{Series: "endpoints", Services: 1000, Endpoints: 2000, RSS: 21, UpdateMs: []float64{.1}},
	}, Updates: []report.UpdatePoint{{Endpoints: 10, SliceSize: 10, UpdateMs: []float64{.1}}}}
}

func TestPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	page := "before\n<!-- results: made by PAGE=1 make bench; do not edit -->\nold\n<!-- end of results -->\nafter\n"
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from its own output
		if err := report.Page(results(), path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(b)), " ")
	for _, want := range []string{
		"before <!-- results", "<!-- end of results --> after",
		"large, A: kube-dns / echo | at most 1.35 × | 1.25 × | yes |",
		"large, A: CoreDNS plain / kube-dns | at least 3.50 × | 2.00 × | **no** |",
		"large, A: kube-dns / nsd | at most 1.00 × | 0.91 × | yes |",
		"memory after the start | at most 40.00 MiB | 50.00 MiB | **no** |",
		"| kube-dns | A | 2 | 30 | 0 | 96.7 % | 0.0 % | 3.3 % |",
		"performance/cpu-large.svg", "performance/grow-endpoints.svg",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, b)
		}
	}
	if strings.Contains(got, "old") {
		t.Error("the old results are still there")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "performance", "cpu-large.svg")); err != nil {
		t.Error(err)
	}
}

func TestMerge(t *testing.T) {
	got := results()
	got.Merge(results())
	if n := len(got.Set("large").Peers["kube-dns"].Mixes[dataset.MixA]); len(got.Sets) != 1 || n != 6 ||
		len(got.Grow) != 4 {
		t.Errorf("%d sets, %d runs of mix A, %d points: want 1, 6 and 4", len(got.Sets), n, len(got.Grow))
	}
}

func TestPageWithoutMarkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Page(results(), path); err == nil || !strings.Contains(err.Error(), "want the lines") {
		t.Errorf("Page = %v, want an error about markers", err)
	}
}

func TestResultsAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	want := results()
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := report.Read(path)
	if err != nil || report.Text(got) != report.Text(want) {
		t.Errorf("Read: %v, or another text than before", err)
	}
}
