package upstream

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"
)

// Our queries equal the library's.
func TestLookupQuery(t *testing.T) {
	for _, name := range []string{".", "www.example.com.", `a\.b.\200c.example.`} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			m := new(dns.Msg).SetQuestion(name, qtype)
			m.Id = 0
			want, err := m.SetEdns0(ednsSize, false).Pack()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := lookupQuery(name, qtype); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %x (%v), want %x", name, got, err, want)
			}
		}
	}
	for _, name := range []string{"relative", "double..dot."} {
		if _, err := lookupQuery(name, dns.TypeA); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}
