package querylog

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func entry(after time.Duration, name, client string, qtype uint16, rcode int) *Entry {
	return &Entry{Time: start.Add(after), Name: name, Client: netip.MustParseAddr(client), Type: qtype, Rcode: rcode}
}

func TestTopReport(t *testing.T) {
	top := newTop(0.5, start)
	for _, e := range []*Entry{
		entry(time.Second, "a.example.", "192.0.2.1", dns.TypeA, dns.RcodeSuccess),
		entry(2*time.Second, "a.example.", "192.0.2.1", dns.TypeAAAA, dns.RcodeSuccess),
		entry(40*time.Second, "a.example.", "192.0.2.2", dns.TypeA, dns.RcodeServerFailure),
		entry(40*time.Second, "b.example.", "192.0.2.2", dns.TypeCAA, dns.RcodeNotZone),
	} {
		top.put(e)
	}
	type counts = map[string]uint64
	for name, tt := range map[string]struct {
		q      Question
		window float64
		total  uint64
		rows   []Row
	}{
		"names": {Question{5 * time.Minute, ByName, "", 9}, 45, 4, []Row{
			{Name: "a.example.", Count: 3, Rcodes: counts{"NOERROR": 2, "SERVFAIL": 1}, Types: counts{"A": 2, "AAAA": 1}},
			{Name: "b.example.", Count: 1, Rcodes: counts{"other": 1}, Types: counts{"other": 1}},
		}},
		"clients": {Question{5 * time.Minute, ByClient, "", 1}, 45, 4, []Row{
			{Client: "192.0.2.1", Count: 2, Rcodes: counts{"NOERROR": 2}, Types: counts{"A": 1, "AAAA": 1}},
		}},
		"rcodes": {Question{5 * time.Minute, ByRcode, "", 1}, 45, 4, []Row{
			{Rcode: "NOERROR", Count: 2, Rcodes: counts{"NOERROR": 2}, Types: counts{"A": 1, "AAAA": 1}},
		}},
		"types": {Question{5 * time.Minute, ByType, "", 1}, 45, 4, []Row{
			{Type: "A", Count: 2, Rcodes: counts{"NOERROR": 1, "SERVFAIL": 1}, Types: counts{"A": 2}},
		}},
		"failing names": {Question{5 * time.Minute, ByName, "SERVFAIL", 9}, 45, 4, []Row{
			{Name: "a.example.", Count: 3, Rcodes: counts{"NOERROR": 2, "SERVFAIL": 1}, Types: counts{"A": 2, "AAAA": 1}},
		}},
		"a short window": {Question{30 * time.Second, ByName, "", 1}, 15, 2, []Row{
			{Name: "a.example.", Count: 1, Rcodes: counts{"SERVFAIL": 1}, Types: counts{"A": 1}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := top.report(tt.q, start.Add(45*time.Second))
			want := Report{APIVersion: "v1", Window: tt.window, Total: tt.total, Sampled: 0.5, Rows: tt.rows}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	later := top.report(Question{time.Minute, ByName, "", 9}, start.Add(time.Hour))
	if later.Total != 0 || len(later.Rows) != 0 {
		t.Errorf("after an hour: %+v", later)
	}
}

// TestRandomNames: names with random labels neither grow the table nor hide a frequent name.
func TestRandomNames(t *testing.T) {
	top := newTop(1, start)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 200_000
	for i := range n {
		at := MaxWindow * 2 * time.Duration(i) / n
		name := fmt.Sprintf("%d.%s.example.", i, strings.Repeat(strings.Repeat("x", 57)+".", 4))
		client := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if i%10 == 0 {
			name, client = "web.", netip.MustParseAddr("192.0.2.1")
		}
		top.put(&Entry{Time: start.Add(at), Name: name, Client: client, Type: dns.TypeA})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int(after.HeapAlloc) - int(before.HeapAlloc); grown > 10<<20 {
		t.Errorf("the table takes %d bytes", grown)
	}
	for _, by := range []By{ByName, ByClient} {
		got := top.report(Question{MaxWindow, by, "", 1}, start.Add(2*MaxWindow))
		if got.Rows[0].Name+got.Rows[0].Client != map[By]string{ByName: "web.", ByClient: "192.0.2.1"}[by] {
			t.Fatalf("by %s: %+v", by, got.Rows)
		}
		row, truth := got.Rows[0], got.Total/10
		if row.Count < truth || row.Count-row.Error > truth || row.Error > got.Total/tracked {
			t.Errorf("by %s: count %d, error %d, want %d", by, row.Count, row.Error, truth)
		}
	}
	runtime.KeepAlive(top)
}
