package treecache

import (
	"iter"
	"slices"
	"strings"
	"sync/atomic"
)

// A Tree holds the names of one zone. Names passed to its methods are absolute, in lower case, and
// every dot in them separates labels.
type Tree[V any] struct {
	origin string // ".cluster.local.", or "." for the root
	hash   *hasher
	root   *Node[V]
}

// A Node is one name of a Tree. Callers may retain a node: it follows its name's value, and has
// none after the name is deleted.
type Node[V any] struct {
	value    atomic.Pointer[V]
	children atomic.Pointer[children[Node[V]]] // nil: none
}

// Root returns the node of the tree's origin.
func (t *Tree[V]) Root() *Node[V] { return t.root }

// New returns an empty tree of names at or below origin, such as
// "cluster.local.".
func New[V any](origin string) *Tree[V] {
	return &Tree[V]{origin: "." + strings.TrimPrefix(origin, "."), hash: newHasher(), root: &Node[V]{}}
}

// Value returns the current value of the node, or nil.
func (n *Node[V]) Value() *V { return n.value.Load() }

// Replace replaces the value of a node that has one, as Set does for its name. Writer only.
func (n *Node[V]) Replace(value *V) { n.value.Store(value) }

// child returns the node one label below n, or nil.
func (n *Node[V]) child(label string) *Node[V] {
	if c := n.children.Load(); c != nil {
		return c.get(label)
	}
	return nil
}

// all yields the children of n with their labels, starting at a random one.
func (n *Node[V]) all() iter.Seq2[string, *Node[V]] {
	if c := n.children.Load(); c != nil {
		return c.all()
	}
	return func(func(string, *Node[V]) bool) {}
}

// Children yields the nodes one label below n with their labels, in the order of the labels. It
// shows the children of one moment. It sorts, so it is not for answering queries.
func (n *Node[V]) Children() iter.Seq2[string, *Node[V]] {
	return func(yield func(string, *Node[V]) bool) {
		var labels []string
		nodes := map[string]*Node[V]{}
		for label, child := range n.all() {
			labels = append(labels, label)
			nodes[label] = child
		}
		slices.Sort(labels)
		for _, label := range slices.Compact(labels) {
			if !yield(label, nodes[label]) {
				return
			}
		}
	}
}

// Set sets the value of name, which must not be nil, and returns its node. If name is not in the
// tree's zone, Set returns nil and does nothing. Writer only.
func (t *Tree[V]) Set(name string, value *V) *Node[V] {
	rest, ok := t.relative(name)
	if !ok {
		return nil
	}
	n := t.root
	for rest != "" {
		var label string
		rest, label = cutLast(rest)
		next := n.child(label)
		if next == nil {
			c := n.children.Load()
			if c == nil {
				c = newChildren[Node[V]](t.hash)
				n.children.Store(c)
			}
			next = c.add(label)
		}
		n = next
	}
	n.value.Store(value)
	return n
}

// Delete removes the value of name, and every node that has neither value nor children left. Writer
// only.
func (t *Tree[V]) Delete(name string) {
	if rest, ok := t.relative(name); ok {
		t.prune(t.root, rest)
	}
}

func (t *Tree[V]) prune(n *Node[V], rest string) {
	if rest == "" {
		n.value.Store(nil)
		return
	}
	rest, label := cutLast(rest)
	child := n.child(label)
	if child == nil {
		return
	}
	t.prune(child, rest)
	if child.value.Load() != nil || child.children.Load() != nil {
		return
	}
	c := n.children.Load()
	c.remove(label)
	if c.empty() {
		n.children.Store(nil)
	}
}

// Lookup walks name from the right as far as there are nodes. It returns the last node, and the
// labels to the left of it, without trailing dot: "" if name itself has a node. The node is nil if
// name is not in the zone. It does not allocate.
func (t *Tree[V]) Lookup(name string) (n *Node[V], rest string) {
	rest, ok := t.relative(name)
	if !ok {
		return nil, ""
	}
	n = t.root
	for rest != "" {
		left, label := cutLast(rest)
		next := n.child(label)
		if next == nil {
			break
		}
		n, rest = next, left
	}
	return n, rest
}

// Match walks name like Lookup, but the label "*" matches every child whose label does not start
// with "_", starting at a random one. A leftmost "*" remains in rest. Match yields each walk that
// ends at a node with a value, or at the name's end, until yield returns false.
func (t *Tree[V]) Match(name string, yield func(n *Node[V], rest string) bool) {
	if rest, ok := t.relative(name); ok {
		match(t.root, rest, yield)
	}
}

func match[V any](n *Node[V], rest string, yield func(*Node[V], string) bool) bool {
	if rest == "" || rest == "*" || n.Value() != nil {
		return yield(n, rest)
	}
	left, label := cutLast(rest)
	if label != "*" {
		child := n.child(label)
		return child == nil || match(child, left, yield)
	}
	for label, child := range n.all() {
		if !strings.HasPrefix(label, "_") && !match(child, left, yield) {
			return false
		}
	}
	return true
}

// relative removes the origin from name: "web.default.svc" for "web.default.svc.cluster.local.", ""
// for "cluster.local.".
func (t *Tree[V]) relative(name string) (string, bool) {
	if name == t.origin[1:] || name == t.origin {
		return "", true
	}
	return strings.CutSuffix(name, t.origin)
}

// cutLast splits off the last label.
func cutLast(name string) (left, label string) {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}
