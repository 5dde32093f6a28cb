package treecache

import (
	"iter"
	"maps"
	"slices"
)

// Root returns the node of the tree's origin.
func (t *Tree[V]) Root() *Node[V] { return t.root }

// Children yields the nodes one label below n with their labels, in the order
// of the labels. It shows one moment's children; it sorts, so it is not for
// answering queries.
func (n *Node[V]) Children() iter.Seq2[string, *Node[V]] {
	return func(yield func(string, *Node[V]) bool) {
		c := n.children.Load()
		if c == nil {
			return
		}
		children := maps.Collect(c.all())
		for _, label := range slices.Sorted(maps.Keys(children)) {
			if !yield(label, children[label]) {
				return
			}
		}
	}
}
