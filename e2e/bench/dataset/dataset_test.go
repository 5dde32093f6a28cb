package dataset_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

func TestMixesAreTheSameEachTime(t *testing.T) {
	for _, set := range []dataset.Set{dataset.Small(), dataset.Large()} {
		a, b := set.Mixes(), set.Mixes()
		for i := range a {
			if len(a[i].Questions) == 0 || !slices.Equal(a[i].Questions, b[i].Questions) {
				t.Errorf("%s, mix %s: %d and %d questions, want the same ones", set.Name, a[i].Name,
					len(a[i].Questions), len(b[i].Questions))
			}
		}
	}
}

// Every existing name in a mix is in the zone, and no name of the mix of absent names is.
func TestZoneHasTheQuestions(t *testing.T) {
	set, dir := dataset.Large(), t.TempDir()
	forward, reverse := filepath.Join(dir, "f"), filepath.Join(dir, "r")
	if err := set.WriteZones(forward, reverse); err != nil {
		t.Fatal(err)
	}
	have := map[dataset.Question]int{}
	for _, path := range []string{forward, reverse} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z := dns.NewZoneParser(f, "", path)
		for rr, ok := z.Next(); ok; rr, ok = z.Next() {
			h := rr.Header()
			have[dataset.Question{Name: strings.TrimSuffix(h.Name, "."), Type: dns.TypeToString[h.Rrtype]}]++
		}
		if z.Err() != nil {
			t.Fatal(z.Err())
		}
	}
	for _, m := range set.Mixes() {
		want := map[string]int{dataset.MixNX: 0, dataset.MixTen: 10, dataset.MixTenSRV: 10, dataset.MixFifty: 50}
		n, ok := want[m.Name]
		if !ok {
			n = 1
		}
		for _, q := range m.Questions {
			if m.Name != dataset.MixReal && have[q] != n {
				t.Fatalf("mix %s: the zone has %d records of %v, want %d", m.Name, have[q], q, n)
			}
		}
	}
}

func TestQuestionsAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	want := dataset.Small().Mixes()[1].Questions
	if err := dataset.WriteQuestions(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := dataset.ReadQuestions(path)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ReadQuestions: %d questions, %v; want %d", len(got), err, len(want))
	}
	if err := os.WriteFile(path, []byte("a A\nb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.ReadQuestions(path); err == nil || !strings.Contains(err.Error(), ":2:") {
		t.Errorf("a line without type: %v, want an error that names line 2", err)
	}
}
