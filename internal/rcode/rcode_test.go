package rcode

import (
	"testing"

	"github.com/miekg/dns"
)

func TestText(t *testing.T) {
	for rcode, want := range map[int]string{
		dns.RcodeSuccess: "NOERROR", dns.RcodeNameError: "NXDOMAIN", dns.RcodeBadVers: "BADVERS", 12: "RCODE12",
		4095: "RCODE4095",
	} {
		if got := Text(rcode); got != want {
			t.Errorf("rcode %d: got %q, want %q", rcode, got, want)
		}
	}
}
