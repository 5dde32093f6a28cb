package queries

import (
	"math"
	"testing"
)

func TestAdd(t *testing.T) {
	one, err := ParseReport([]byte(`{"apiVersion":"v1","window":60,"total":100,"sampled":0.5,"new":1,"rows":[
		{"name":"web.a.svc.cluster.local.","rcodes":{"NOERROR":9,"NXDOMAIN":1},"types":{"A":6,"AAAA":4},"count":10,"error":1},
		{"name":"x.example.com.","rcodes":{"SERVFAIL":4},"types":{"A":4},"count":4,"error":0}]}`))
	if err != nil {
		t.Fatal(err)
	}
	two, err := ParseReport([]byte(`{"window":30,"total":40,"sampled":1,"rows":[
		{"name":"x.example.com.","rcodes":{"SERVFAIL":20},"types":{"A":20},"count":20}]}`))
	if err != nil {
		t.Fatal(err)
	}
	sum := Add([]Report{one, two}, 10)
	if sum.Pods != 2 || sum.Queries != 240 || sum.PerSecond != 4 || len(sum.Lines) != 2 {
		t.Fatalf("got %+v, want 240 queries of 2 pods in 2 lines, 4 a second", sum)
	}
	x, web := sum.Lines[0], sum.Lines[1]
	if x.Key != "x.example.com." || x.Queries != 28 || x.ShareOf("SERVFAIL") != 1 {
		t.Errorf("got %+v, want 28 queries for x.example.com., all SERVFAIL", x)
	}
	if web.Queries != 20 || web.Error != 2 || web.ShareOf("NXDOMAIN") != 0.1 || web.TypeNames() != "A,AAAA" {
		t.Errorf("got %+v, want 20 queries, at most 2 too high, of A and AAAA", web)
	}
	if len(Add([]Report{one, two}, 1).Lines) != 1 {
		t.Error("limit 1: want one line")
	}
}

func TestNotAReport(t *testing.T) {
	if _, err := ParseReport([]byte("404 page not found")); err == nil {
		t.Error("want an error")
	}
	if (Line{}).ShareOf("NOERROR") != 0 {
		t.Error("a line without queries has no share")
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"window":0,"total":1,"sampled":1e-300,"rows":[{"count":1,"rcodes":{"NOERROR":-1}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseReport(body)
		if err != nil {
			return
		}
		for _, l := range Add([]Report{r, r}, 5).Lines {
			if math.IsNaN(l.ShareOf("NOERROR")) {
				t.Errorf("%s: a share is no number", l.Key)
			}
		}
	})
}
