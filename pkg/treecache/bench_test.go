package treecache_test

import (
	"fmt"
	"testing"

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

func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tr, names := filled(n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, rest := tr.Lookup(names[i%n]); rest != "" {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkReplace(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tr, names := filled(n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tr.Set(names[i%n], &i)
			}
		})
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
