package treecache_test

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// The tree does what a plain map of whole names does.
func TestTreeAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tr, twin := treecache.New[int]("z."), map[string]int{}
	name := func() string {
		labels := make([]string, 1+rnd.IntN(3))
		for i := range labels {
			labels[i] = fmt.Sprint(rnd.IntN(12))
		}
		return strings.Join(labels, ".") + ".z."
	}
	for i := range 20000 {
		n := name()
		// Values only at names that have none above or below, as services do.
		switch blocked := related(twin, n); {
		case rnd.IntN(3) == 0:
			tr.Delete(n)
			delete(twin, n)
		case !blocked:
			tr.Set(n, &i)
			twin[n] = i
		}
		q := name()
		node, rest := tr.Lookup(q)
		want, ok := twin[q]
		if got := node.Value(); ok != (rest == "" && got != nil) || ok && *got != want {
			t.Fatalf("step %d: %s: got %v, rest %q; want %d, %v", i, q, got, rest, want, ok)
		}
		if exists := rest == ""; exists != (ok || hasBelow(twin, q)) {
			t.Fatalf("step %d: %s: exists %v", i, q, exists)
		}
	}
	for n := range twin {
		tr.Delete(n)
	}
	for label := range tr.Root().Children() {
		t.Errorf("an empty tree still has the branch %s", label)
	}
}

func related(m map[string]int, name string) bool {
	for n := range m {
		if n != name && (strings.HasSuffix(n, "."+name) || strings.HasSuffix(name, "."+n)) {
			return true
		}
	}
	return false
}

func hasBelow(m map[string]int, name string) bool {
	for n := range m {
		if strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

func TestMapAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	seed := maphash.MakeSeed()
	m, twin := treecache.NewMap[string, int](func(s string) uint64 { return maphash.String(seed, s) }), map[string]int{}
	for i := range 50000 {
		// The range grows and shrinks, so that the table does too.
		k := fmt.Sprint(rnd.IntN(1 + i%5000))
		if rnd.IntN(2) == 0 {
			m.Put(k, i)
			twin[k] = i
		} else {
			m.Delete(k)
			delete(twin, k)
		}
		k = fmt.Sprint(rnd.IntN(5000))
		want, ok := twin[k]
		if got := m.Get(k); ok != (got != nil) || ok && *got != want {
			t.Fatalf("step %d: %s: got %v, want %d, %v", i, k, got, want, ok)
		}
	}
	for k := range 6000 {
		k := fmt.Sprint(k)
		p := m.Probe(k)
		p.Fetch()
		if got, want := p.Value(), m.Get(k); got != want {
			t.Fatalf("%s: a probe has %v, Get %v", k, got, want)
		}
	}
	if m.Len() != len(twin) {
		t.Errorf("length %d, want %d", m.Len(), len(twin))
	}
	for k, v := range m.All() {
		if twin[k] != *v {
			t.Errorf("%s: got %d, want %d", k, *v, twin[k])
		}
	}
}

// Names that are looked up together are found as each alone is, wherever there are
// so many of them. So many have tags in common.
func TestLookupAll(t *testing.T) {
	tr, value := treecache.New[int]("z."), 1
	names := []string{"z.", "y.", "a.y.", "none.z.", "b.none.z.", strings.Repeat("x", 40) + ".ns.z."}
	for i := range 5000 {
		name := fmt.Sprintf("n%d.ns.z.", i)
		tr.Set(name, &value)
		names = append(names, name, fmt.Sprintf("not%d.ns.z.", i), "_a._b."+name)
	}
	tr.Set(strings.Repeat("x", 40)+".ns.z.", &value)
	tr.Set("below.deep.n1.ns.z.", &value)
	names = append(names, "below.deep.n1.ns.z.", "deep.n1.ns.z.", "x.deep.n1.ns.z.")
	for labels := range 5 {
		searches := make([]treecache.Search[int], len(names))
		for i, name := range names {
			searches[i].Name = name
		}
		for range 2 { // they can be used again
			tr.LookupAll(searches, labels)
		}
		for _, s := range searches {
			if n, rest := tr.Lookup(s.Name); n != s.Node || rest != s.Rest {
				t.Fatalf("%d labels: %s: together %p, rest %q, alone %p, rest %q", labels, s.Name, s.Node, s.Rest, n, rest)
			}
		}
	}
}

// A name that nobody touches is found at every moment, whatever grows, shrinks
// and goes around it.
func TestReadersNeverMissAName(t *testing.T) {
	tr := treecache.New[string]("z.")
	tr.Set("stays.ns.z.", new("here"))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n, rest := tr.Lookup("stays.ns.z."); rest != "" || n.Value() == nil {
					t.Error("the name was missed")
					return
				}
				searches := [3]treecache.Search[string]{{Name: "n1.ns.z."}, {Name: "stays.ns.z."}, {Name: "n2.ns.z."}}
				tr.LookupAll(searches[:], 2)
				if s := searches[1]; s.Rest != "" || s.Node.Value() == nil {
					t.Error("the name was missed among others")
					return
				}
			}
		})
	}
	for round := range 20 {
		for i := range 500 {
			tr.Set(fmt.Sprintf("n%d.ns.z.", i), new(fmt.Sprint(round)))
		}
		for i := range 500 {
			tr.Delete(fmt.Sprintf("n%d.ns.z.", i))
		}
	}
	close(stop)
	readers.Wait()
}
