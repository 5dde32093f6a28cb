package label_test

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/internal/label"
)

func TestReason(t *testing.T) {
	for _, good := range []string{"a", "0", "web-0", strings.Repeat("a", 63)} {
		if got := label.Reason(good); got != "" {
			t.Errorf("%q: %s", good, got)
		}
	}
	for bad, want := range map[string]string{
		"": "empty", strings.Repeat("a", 64): "63", "-a": "begin or end", "a-": "begin or end",
		"Web": "lower-case", "a.b": "lower-case", "a_b": "lower-case", "ä": "lower-case",
	} {
		if got := label.Reason(bad); !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", bad, got, want)
		}
	}
}
