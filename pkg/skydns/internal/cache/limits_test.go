package cache

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The memory of the process remains within the bound for any replies: many unique names, replies of
// the largest stored size, and replies with very many records.
func TestMemoryBound(t *testing.T) {
	const size = 2 << 20
	for _, tt := range []struct {
		name   string
		qtype  uint16
		record string
		each   int // records of a reply
	}{
		{"small", dns.TypeA, "%s 60 IN A 192.0.2.1", 1},
		{"denials", dns.TypeAAAA, "", 0},
		{"large", dns.TypeTXT, `%s 60 IN TXT "` + strings.Repeat("x", 250) + `"`, 200},
		{"many records", dns.TypeA, "%s 60 IN A 192.0.2.1", 2000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(size)
			before := heap()
			put := 0
			for n := 0; put < 4*size; n++ {
				name := fmt.Sprintf("n%d.%s.example.", n, strings.Repeat("y", 60))
				packet := query(t, name, tt.qtype)
				m := new(dns.Msg)
				if err := m.Unpack(packet); err != nil {
					t.Fatal(err)
				}
				m.Response = true
				if tt.each == 0 {
					m.Rcode, m.Ns = dns.RcodeNameError, []dns.RR{record(t, soa)}
				}
				if tt.each > 0 {
					m.Answer = slices.Repeat([]dns.RR{record(t, fmt.Sprintf(tt.record, name))}, tt.each)
				}
				m.Compress = true
				reply, err := m.Pack()
				if err != nil {
					t.Fatal(err)
				}
				put += weigh(string(packet), &entry{msg: reply, ttls: make([]uint16, tt.each)})
				c.Set(read(t, packet), reply, start)
			}
			c.entries.CleanUp()
			s, took := c.Stats(), heap()-before
			t.Logf("%d entries: %d bytes by the account, %d in fact", s.Entries, s.Bytes, took)
			const others = 1 << 20 // the library's tables, and the test's own memory
			if s.Bytes > size || took > size+others {
				t.Errorf("%d bytes by the account and %d in fact, limit %d", s.Bytes, took, size)
			}
			if s.Bytes < size/2 {
				t.Errorf("%d of %d bytes are used", s.Bytes, size)
			}
			runtime.KeepAlive(c)
		})
	}
}

func record(t testing.TB, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// heap returns the bytes of all live objects.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Names with one query do not evict names with many queries.
func TestFloodKeepsHotNames(t *testing.T) {
	c := New(MinSize)
	hot := query(t, "www.example.", dns.TypeA)
	hotQuestion := read(t, hot)
	c.Set(hotQuestion, reply(t, hot, 0, "www.example. 60 IN A 192.0.2.1", "", ""), start)
	for n := range 5000 {
		if n%10 == 0 {
			c.Get(hotQuestion, start)
			c.entries.CleanUp() // the cache has counted the use
		}
		name := fmt.Sprintf("n%d.example.", n)
		packet := query(t, name, dns.TypeA)
		c.Set(read(t, packet), reply(t, packet, 0, name+" 60 IN A 192.0.2.1", "", ""), start)
	}
	c.entries.CleanUp()
	if _, state := c.Get(hotQuestion, start); state != Fresh {
		t.Errorf("state %d of a name that is asked often", state)
	}
}

// Records for other names in a reply are used for no question: those of its alias's target, of its
// other sections, or of an unrelated name.
func TestOtherNamesAreNotKept(t *testing.T) {
	c := New(MinSize)
	packet := query(t, "www.partner.example.", dns.TypeA)
	c.Set(read(t, packet), reply(t, packet, 0,
		"www.partner.example. 60 IN CNAME www.bank.example.\nwww.bank.example. 60 IN A 203.0.113.66\n"+
			"login.bank.example. 60 IN A 203.0.113.66",
		"bank.example. 60 IN NS ns.bank.example.", "ns.bank.example. 60 IN A 203.0.113.66"), start)
	if _, state := c.Get(read(t, packet), start); state != Fresh {
		t.Fatalf("state %d of the question itself", state)
	}
	for name, qtype := range map[string]uint16{
		"www.bank.example.": dns.TypeA, "login.bank.example.": dns.TypeA, "bank.example.": dns.TypeNS,
		"ns.bank.example.":     dns.TypeA,
		"www.partner.example.": dns.TypeCNAME,
	} {
		if _, state := c.Get(read(t, query(t, name, qtype)), start); state != Missing {
			t.Errorf("%s is kept", name)
		}
	}
	// A reply to another question is not stored.
	other := query(t, "www.bank.example.", dns.TypeA)
	c.Set(read(t, other), reply(t, packet, 0, "www.partner.example. 60 IN A 203.0.113.66", "", ""), start)
	if _, state := c.Get(read(t, other), start); state != Missing {
		t.Error("the reply to another question is kept")
	}
}

// A reply with DNSSEC records expires with the first of them (RFC 4035 section 4.5).
func TestProofsEndWithTheReply(t *testing.T) {
	const nsec = "a.example. 10 IN NSEC z.example. A RRSIG NSEC"
	for name, tt := range map[string]struct {
		rcode             int
		answer, authority string
	}{
		"wildcard": {0, "www.example. 60 IN A 192.0.2.1", nsec},
		"denial":   {dns.RcodeNameError, "", soa + "\n" + nsec},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(MinSize)
			packet := query(t, "www.example.", dns.TypeA, edns(true))
			c.Set(read(t, packet), reply(t, packet, tt.rcode, tt.answer, tt.authority, ""), start)
			if _, state := c.Get(read(t, packet), start.Add(9*time.Second)); state != Fresh {
				t.Errorf("state %d before the proof is over", state)
			}
			if _, state := c.Get(read(t, packet), start.Add(10*time.Second)); state != Stale {
				t.Errorf("state %d after the proof is over", state)
			}
		})
	}
}
