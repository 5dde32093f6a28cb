package treecache_test

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// For any names, a name that was set is found, and rest is always a left part of the question.
func FuzzLookup(f *testing.F) {
	f.Add("web.default.svc.cluster.local.", "_a._tcp.web.default.svc.cluster.local.")
	f.Add(".cluster.local.", "cluster.local.")
	f.Add("..cluster.local.", "*.*.cluster.local.")
	f.Add("*.cluster.local.", "a..b.cluster.local.")
	f.Fuzz(func(t *testing.T, set, query string) {
		tr := treecache.New[string]("cluster.local.")
		if n := tr.Set(set, &set); n != nil {
			if got, rest := tr.Lookup(set); got != n || rest != "" {
				t.Errorf("%q was set and not found", set)
			}
		}
		if n, rest := tr.Lookup(query); n != nil && !strings.HasPrefix(query, rest) {
			t.Errorf("rest %q of %q", rest, query)
		}
		tr.Match(query, func(_ *treecache.Node[string], rest string) bool {
			if !strings.HasPrefix(query, rest) {
				t.Errorf("match: rest %q of %q", rest, query)
			}
			return true
		})
		tr.Delete(set)
		for label := range tr.Root().Children() {
			t.Errorf("%q was left behind", label)
		}
	})
}
