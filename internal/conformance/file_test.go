package conformance_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// TestVectors counts the vectors, so that none is lost.
func TestVectors(t *testing.T) {
	files, err := conformance.Vectors(conformance.Zone)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, file := range files {
		for _, step := range file.AllSteps() {
			got[file.Name] += len(step.Queries)
		}
	}
	want := map[string]int{
		"01-clusterip": 34, "02-dualstack": 11, "03-headless": 24, "04-externalname": 20, "05-pods": 16,
		"06-wildcards": 18, "07-apex-and-absent": 17, "08-message": 18, "09-truncation": 7, "10-forwarding": 23,
		"11-changes": 28, "12-federation": 9, "13-configuration": 9, "14-unready": 6, "15-behind-dnsmasq": 3, "16-lean": 8,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("questions by file (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	query := func(keys string) string { return "queries: [{query: a.example A, rcode: NOERROR, " + keys + "}]" }
	record := func(kind, rdata string) string {
		return query("answer: [a.example " + kind + " " + rdata + "]")
	}
	cases := []struct{ name, text, want string }{
		{"right", query("answer: [], authority: soa, flags: {aa: true}"), ""},
		{"unknown key", query("answers: []"), `unknown field "answers"`},
		{"repeated key", query("rcode: NOERROR"), "already set"},
		{"unknown key at the top", "query: []", `unknown field "query"`},
		{"record as a map", query("answer: [{owner: a, type: A, data: x}]"), "records are lines of text"},
		{"record without data", query("answer: a.example 30 A"),
			`"a.example 30 A" is not OWNER [TTL] [CLASS] TYPE DATA`},
		{"authority of another word", query("authority: ns"), `record "ns" is not OWNER`},
		{"unknown flag", query("flags: {qr: true}"), `unknown flag "qr"`},
		{"unknown order", query("order: same"), "neither any nor strict"},
		{"unknown case", query("owner_case: lower"), "owner_case"},
		{"unknown rcode", "queries: [{query: a A, rcode: NOERR}]", `unknown name "NOERR"`},
		{"no rcode", "queries: [{query: a A}]", "rcode: unknown name"},
		{"no name", "queries: [{rcode: NOERROR}]", "needs a query"},
		{"unknown type", "queries: [{query: a AA, rcode: NOERROR}]", `unknown type "AA"`},
		{"query without type", "queries: [{query: a, rcode: NOERROR}]", "needs a name and a type"},
		{"unknown class", "queries: [{query: a A XX, rcode: NOERROR}]", `"XX" is neither a class nor an option`},
		{"unknown option", "queries: [{query: a A +tpc, rcode: NOERROR}]", `"+tpc" is neither a class nor an option`},
		{"EDNS size that is no number", "queries: [{query: a A +bufsize=big, rcode: NOERROR}]", `parsing "big"`},
		{"record of unknown type", record("AA", "x"), "record a.example."},
		{"record of unknown type with star", record("AA", "*"), `unknown type "AA"`},
		{"record that is none", record("A", "10.0.0.256"), "record a.example."},
		{"record of two lines", query(`answer: ["a.example A 10.0.0.1\nb A 10.0.0.2"]`), "more than one line"},
		{"macro without address", `queries: [{query: "{hash:x} A", rcode: NOERROR}]`, "macro {hash:x}"},
		{"unknown upstream", query("upstream: same"), "neither differs nor crashes"},
		{"upstream_expect", query("upstream_expect: {rcode: X}"), "upstream_expect: rcode"},
		{"unknown feature", "requires: [ipv7]\n" + query("answer: []"), `unknown feature "ipv7"`},
		{"resolver record", "resolver: {records: [a.example. 60 IN A x]}\n" + query("answer: []"), "resolver record"},
		{"object without kind", "objects: [{metadata: {name: a}}]", "object 0: needs kind"},
		{"delete without name", "steps: [{step: a, delete: [{kind: Service}]}]", "delete 0: needs kind and name"},
		{"step without name", "steps: [{queries: []}]", "a step needs a name"},
		{"nothing", "description: nothing", "no questions"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := conformance.Load(fstest.MapFS{"x.yaml": {Data: []byte(c.text)}}, conformance.Zone)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAllSteps(t *testing.T) {
	first, second := conformance.Query{Question: conformance.Question{Name: "first"}},
		conformance.Query{Question: conformance.Question{Name: "second"}}
	steps := []conformance.Step{{Name: "more", Queries: []conformance.Query{second}}}
	object := conformance.Object{"kind": "Service"}
	cases := []struct {
		name string
		file conformance.File
		want []conformance.Step
	}{
		{"steps alone", conformance.File{Steps: steps}, steps},
		{"top level first", conformance.File{
			Objects: []conformance.Object{object},
			Config:  map[string]string{"a": "b"},
			Queries: []conformance.Query{first},
			Steps:   steps,
		}, []conformance.Step{
			{Name: "start", Apply: []conformance.Object{object}, Config: map[string]string{"a": "b"},
				Queries: []conformance.Query{first}},
			steps[0],
		}},
		{"empty configuration", conformance.File{Config: map[string]string{}},
			[]conformance.Step{{Name: "start", Config: map[string]string{}}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.file.AllSteps()); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}
