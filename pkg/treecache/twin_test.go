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

// The tree behaves like a plain map of full names.
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
	if m.Len() != len(twin) {
		t.Errorf("length %d, want %d", m.Len(), len(twin))
	}
	for k, v := range m.All() {
		if twin[k] != *v {
			t.Errorf("%s: got %d, want %d", k, *v, twin[k])
		}
	}
}

// A name that does not change is found at every moment, while the names around it grow and shrink
// in number.
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
