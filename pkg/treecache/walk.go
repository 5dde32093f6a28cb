package treecache

import (
	"iter"
	"slices"
	"strings"
)

// Root returns the node of the tree's origin.
func (t *Tree[V]) Root() *Node[V] { return t.root }

// Children yields the nodes one label below n with their labels, in the order
// of the labels. It shows one moment's children; it sorts, so it is not for
// answering queries.
func (n *Node[V]) Children() iter.Seq2[string, *Node[V]] {
	type child struct {
		label string
		node  *Node[V]
	}
	return func(yield func(string, *Node[V]) bool) {
		c := n.children.Load()
		if c == nil {
			return
		}
		var children []child
		for label, node := range c.all() {
			children = append(children, child{label, node})
		}
		slices.SortFunc(children, func(a, b child) int { return strings.Compare(a.label, b.label) })
		for _, c := range children {
			if !yield(c.label, c.node) {
				return
			}
		}
	}
}
