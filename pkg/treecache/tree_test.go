package treecache_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

func tree(names ...string) *treecache.Tree[string] {
	t := treecache.New[string]("cluster.local.")
	for _, name := range names {
		t.Set(name, &name)
	}
	return t
}

func TestLookup(t *testing.T) {
	tr := tree("web.default.svc.cluster.local.", "db.default.svc.cluster.local.", "web.prod.svc.cluster.local.")
	tests := []struct {
		name, query string
		value, rest string
		absent      bool
	}{
		{name: "a value", query: "web.default.svc.cluster.local.", value: "web.default.svc.cluster.local."},
		{name: "below a value", query: "_a._tcp.web.default.svc.cluster.local.", value: "web.default.svc.cluster.local.",
			rest: "_a._tcp"},
		{name: "only children", query: "default.svc.cluster.local."},
		{name: "the origin", query: "cluster.local."},
		{name: "missing leaf", query: "x.default.svc.cluster.local.", rest: "x"},
		{name: "missing branch", query: "web.none.svc.cluster.local.", rest: "web.none"},
		{name: "other zone", query: "web.default.svc.cluster.test.", absent: true},
		{name: "ends like the zone", query: "notcluster.local.", absent: true},
		{name: "a star is an ordinary label here", query: "*.default.svc.cluster.local.", rest: "*"},
		{name: "empty", query: "", absent: true},
		{name: "root", query: ".", absent: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, rest := tr.Lookup(tt.query)
			if (n == nil) != tt.absent {
				t.Fatalf("node %v, want absent %v", n, tt.absent)
			}
			if n == nil {
				return
			}
			var value string
			if v := n.Value(); v != nil {
				value = *v
			}
			if value != tt.value || rest != tt.rest {
				t.Errorf("got %q, rest %q; want %q, rest %q", value, rest, tt.value, tt.rest)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	tr := tree("web.default.svc.cluster.local.", "db.default.svc.cluster.local.", "web.prod.svc.cluster.local.",
		"_odd.prod.svc.cluster.local.")
	tests := []struct {
		query string
		want  []string // value + "|" + rest
	}{
		{"web.*.svc.cluster.local.", []string{"web.default.svc.cluster.local.|", "web.prod.svc.cluster.local.|"}},
		{"web.default.*.cluster.local.", []string{"web.default.svc.cluster.local.|"}},
		{"web.*.*.cluster.local.", []string{"web.default.svc.cluster.local.|", "web.prod.svc.cluster.local.|"}},
		{"*.web.default.svc.cluster.local.", []string{"web.default.svc.cluster.local.|*"}},
		{"_a._tcp.*.default.svc.cluster.local.", []string{"db.default.svc.cluster.local.|_a._tcp",
			"web.default.svc.cluster.local.|_a._tcp"}},
		{"x.*.prod.svc.cluster.local.", []string{"web.prod.svc.cluster.local.|x"}},
		{"*.*.svc.cluster.local.", []string{"|*", "|*"}},
		{"*.default.svc.cluster.local.", []string{"|*"}},
		{"default.*.cluster.local.", []string{"|"}},
		{"none.*.svc.cluster.local.", nil},
		{"web.*.svc.other.", nil},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			var got []string
			tr.Match(tt.query, func(n *treecache.Node[string], rest string) bool {
				var value string
				if v := n.Value(); v != nil {
					value = *v
				}
				got = append(got, value+"|"+rest)
				return true
			})
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestMatchStopsWhenToldTo(t *testing.T) {
	tr := tree("a.x.svc.cluster.local.", "a.y.svc.cluster.local.", "a.z.svc.cluster.local.")
	calls := 0
	tr.Match("a.*.svc.cluster.local.", func(*treecache.Node[string], string) bool { calls++; return false })
	if calls != 1 {
		t.Errorf("%d calls after the first said stop", calls-1)
	}
}

func TestDeletePrunes(t *testing.T) {
	tr := tree("web.default.svc.cluster.local.", "web.prod.svc.cluster.local.")
	held, _ := tr.Lookup("web.prod.svc.cluster.local.")
	tr.Delete("web.prod.svc.cluster.local.")
	tr.Delete("web.prod.svc.cluster.local.")
	tr.Delete("never.was.svc.cluster.local.")
	if held.Value() != nil {
		t.Error("a node that was held on to still carries its value")
	}
	if _, rest := tr.Lookup("prod.svc.cluster.local."); rest != "prod" {
		t.Error("an empty branch was left behind")
	}
	if n, rest := tr.Lookup("web.default.svc.cluster.local."); rest != "" || n.Value() == nil {
		t.Error("another branch was touched")
	}
	tr.Delete("web.default.svc.cluster.local.")
	if _, rest := tr.Lookup("svc.cluster.local."); rest != "svc" {
		t.Error("the empty tree still has branches")
	}
}

func TestSetOutsideTheZone(t *testing.T) {
	if n := tree().Set("web.default.svc.other.", new("x")); n != nil {
		t.Error("a name of another zone was taken")
	}
}

func TestChildrenInOrder(t *testing.T) {
	tr := tree("c.svc.cluster.local.", "a.svc.cluster.local.", "b.svc.cluster.local.")
	n, _ := tr.Lookup("svc.cluster.local.")
	var got []string
	for label := range n.Children() {
		got = append(got, label)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	tr := tree("web.default.svc.cluster.local.")
	allocs := testing.AllocsPerRun(100, func() {
		if n, rest := tr.Lookup("_a._tcp.web.default.svc.cluster.local."); n.Value() == nil || rest != "_a._tcp" {
			t.Fatal("not found")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a lookup", allocs)
	}
}
