package treecache_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// Labels of every length differ from labels with another last byte, or with one more byte, and are
// returned unchanged.
func TestLabelsOfEveryLength(t *testing.T) {
	tr, want := treecache.New[string]("z."), []string{}
	for size := 1; size <= 63; size++ {
		for _, end := range []string{"a", "b", "\x00", "-"} {
			label := strings.Repeat("a", size-1) + end
			want = append(want, label)
			tr.Set(label+".z.", &label)
		}
	}
	slices.Sort(want)
	for _, label := range want {
		if n, rest := tr.Lookup(label + ".z."); rest != "" || *n.Value() != label {
			t.Errorf("%q: rest %q, value %v", label, rest, n.Value())
		}
		if n, rest := tr.Lookup(label + "c.z."); rest != label+"c" || n.Value() != nil {
			t.Errorf("%qc was found", label)
		}
	}
	var got []string
	for label := range tr.Root().Children() {
		got = append(got, label)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, label := range want {
		tr.Delete(label + ".z.")
		if _, rest := tr.Lookup(label + ".z."); rest != label {
			t.Errorf("%q was deleted, and found", label)
		}
	}
}
