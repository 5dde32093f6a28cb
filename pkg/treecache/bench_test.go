package treecache_test

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

var sizes = []int{1_000, 10_000, 100_000}

func filled(n int) (*treecache.Tree[int], []string) {
	tr, names := treecache.New[int]("cluster.local."), make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("service-%d.namespace-%d.svc.cluster.local.", i, i%50)
		tr.Set(names[i], &i)
	}
	return tr, names
}

// A syncMap stores full names in the library's map for many readers.
type syncMap struct{ names sync.Map }

func (m *syncMap) get(name string) *int {
	v, _ := m.names.Load(name)
	value, _ := v.(*int)
	return value
}

// A lockedMap is the simplest alternative: full names in one map with a lock.
type lockedMap struct {
	mu    sync.RWMutex
	names map[string]*int
}

func (m *lockedMap) get(name string) *int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.names[name]
}

func (m *lockedMap) set(name string, value *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names[name] = value
}

// ways returns the tree and its alternatives, filled with n names.
func ways(n int) (names []string, all []way) {
	tr, names := filled(n)
	m := &lockedMap{names: map[string]*int{}}
	sm := &syncMap{}
	for i, name := range names {
		m.set(name, &i)
		sm.names.Store(name, &i)
	}
	return names, []way{
		{"tree", func(name string) bool { _, rest := tr.Lookup(name); return rest == "" },
			func(name string, value *int) { tr.Set(name, value) }},
		{"sync.Map", func(name string) bool { return sm.get(name) != nil },
			func(name string, value *int) { sm.names.Store(name, value) }},
		{"locked map", func(name string) bool { return m.get(name) != nil }, m.set},
	}
}

type way struct {
	name   string
	lookup func(string) bool
	set    func(string, *int)
}

// BenchmarkLookup looks up names without writes, and with a thousand replaced values a second.
func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		names, all := ways(n)
		for _, way := range all {
			for _, writes := range []int{0, 1000} {
				b.Run(fmt.Sprintf("%s/names=%d/writes=%d", way.name, n, writes), func(b *testing.B) {
					stop := writing(writes, func(i int) { way.set(names[i%n], &i) })
					defer stop()
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						for i := rand.IntN(n); pb.Next(); i++ {
							if !way.lookup(names[i%n]) {
								b.Error("not found")
							}
						}
					})
				})
			}
		}
	}
}

// writing calls write at a rate of times per second, until it is stopped.
func writing(times int, write func(i int)) (stop func()) {
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		if times == 0 {
			return
		}
		tick := time.NewTicker(time.Second / time.Duration(times))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
				write(i)
			}
		}
	}()
	return func() {
		close(done)
		<-over
	}
}

func BenchmarkReplace(b *testing.B) {
	for _, n := range sizes {
		names, all := ways(n)
		for _, way := range all {
			b.Run(fmt.Sprintf("%s/names=%d", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					way.set(names[i%n], &i)
				}
			})
		}
	}
}

// The maps under the tree: addresses in the reverse index are its largest use.
type mapWay struct {
	name string
	make func() (get func(key [16]byte) bool, put func(key [16]byte))
}

var mapWays = []mapWay{
	{"Map", func() (func([16]byte) bool, func([16]byte)) {
		seed := maphash.MakeSeed()
		m := treecache.NewMap[[16]byte, [4]uint64](func(k [16]byte) uint64 { return maphash.Bytes(seed, k[:]) })
		return func(k [16]byte) bool { return m.Get(k) != nil }, func(k [16]byte) { m.Put(k, [4]uint64{}) }
	}},
	{"sync.Map", func() (func([16]byte) bool, func([16]byte)) {
		var m sync.Map
		return func(k [16]byte) bool { _, ok := m.Load(k); return ok }, func(k [16]byte) { m.Store(k, &[4]uint64{}) }
	}},
}

func addressKey(i int) (k [16]byte) {
	binary.BigEndian.PutUint32(k[12:], uint32(i)*2654435761)
	return k
}

// BenchmarkMap compares the map with sync.Map for addresses: look-ups, writes, and
// bytes of heap for each key.
func BenchmarkMap(b *testing.B) {
	for _, n := range sizes[1:] {
		for _, way := range mapWays {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			get, put := way.make()
			for i := range n {
				put(addressKey(i))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			perKey := float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
			b.Run(fmt.Sprintf("get/%s/keys=%d", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if !get(addressKey(i * 7919 % n)) {
						b.Fatal("not found")
					}
				}
				b.ReportMetric(perKey, "B/key")
			})
			b.Run(fmt.Sprintf("put/%s/keys=%d", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					put(addressKey(i * 7919 % n))
				}
			})
		}
	}
}

func BenchmarkAddRemove(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tr, _ := filled(n)
			for i := 0; b.Loop(); i++ {
				tr.Set("one-more.namespace-1.svc.cluster.local.", &i)
				tr.Delete("one-more.namespace-1.svc.cluster.local.")
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	tr, _ := filled(10_000)
	for b.Loop() {
		tr.Match("service-1.*.svc.cluster.local.", func(*treecache.Node[int], string) bool { return true })
	}
}
