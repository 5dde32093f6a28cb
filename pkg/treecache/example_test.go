package treecache_test

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// One goroutine writes. Readers take no lock, and see a new value at once.
func Example() {
	tree := treecache.New[string]("cluster.local.")
	first, second := "10.96.0.1", "10.96.0.2"
	tree.Set("web.cluster.local.", &first)

	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				node, _ := tree.Lookup("web.cluster.local.")
				if node.Value() == &second {
					return
				}
				runtime.Gosched()
			}
		})
	}
	tree.Set("web.cluster.local.", &second)
	readers.Wait()

	node, rest := tree.Lookup("a.b.web.cluster.local.")
	fmt.Println(*node.Value(), rest)
	// Output: 10.96.0.2 a.b
}
