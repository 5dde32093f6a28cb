package spelling_test

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/internal/spelling"
)

func TestNearest(t *testing.T) {
	known := []string{"stubDomains", "stubDomain", "dns-port"}
	for _, tt := range []struct {
		word string
		most int
		want string
	}{
		{"stubDomains", 3, "stubDomains"},
		{"STUBDOMAINS", 0, "stubDomains"},
		{"dns_port", 0, "dns-port"},
		{"stubDomainz", 1, "stubDomains"}, // the first of two
		{"sutbDomain", 2, "stubDomain"},
		{"sutbDomain", 1, ""},
		{"dns-port53", 2, "dns-port"},
		{"dns-port53", 1, ""},
		{"", 7, ""},
		{"", 8, "dns-port"},
		{strings.Repeat("x", 1<<20), 3, ""},
	} {
		if got := spelling.Nearest(tt.word, known, tt.most); got != tt.want {
			t.Errorf("Nearest(%.20q, most %d) = %q, want %q", tt.word, tt.most, got, tt.want)
		}
	}
}
