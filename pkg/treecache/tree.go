package treecache

import (
	"strings"
	"sync/atomic"
)

// A Tree holds the names of one zone. Names given to its methods are absolute,
// in lower case, and every dot in them separates labels.
type Tree[V any] struct {
	origin string // ".cluster.local.", or "." for the root
	hash   *hasher
	root   *Node[V]
}

// A Node is one name of a Tree. Holding on to a node is allowed: it follows
// its name's value, and carries none once the name was deleted.
type Node[V any] struct {
	value    atomic.Pointer[V]
	children atomic.Pointer[children[V]]
}

// New returns an empty tree of names at or below origin, such as
// "cluster.local.".
func New[V any](origin string) *Tree[V] {
	return &Tree[V]{origin: "." + strings.TrimPrefix(origin, "."), hash: newHasher(), root: &Node[V]{}}
}

// Value returns what the node carries now, or nil.
func (n *Node[V]) Value() *V { return n.value.Load() }

// Replace makes the node, which carries a value, carry another one, as Set does
// for its name. Writer only.
func (n *Node[V]) Replace(value *V) { n.value.Store(value) }

// child returns the node one label below n, or nil.
func (n *Node[V]) child(label string) *Node[V] {
	if c := n.children.Load(); c != nil {
		return c.get(label)
	}
	return nil
}

// Set makes name carry value, which is not nil, and returns its node. It
// returns nil, and does nothing, when name is not in the tree's zone. Writer
// only.
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
				c = newChildren[V](t.hash)
				n.children.Store(c)
			}
			next = c.add(label)
		}
		n = next
	}
	n.value.Store(value)
	return n
}

// Delete takes the value from name, and removes every node that has neither
// value nor children left. Writer only.
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

// Lookup walks name from the right as far as there are nodes. It returns the
// last of them, and the labels to the left of it that have no node, without
// trailing dot: "" when the name itself has one. The node is nil when name is
// not in the zone. It does not allocate.
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

// Match walks name like Lookup, but takes the label "*" for every child whose
// label does not begin with "_", beginning at a random one; a "*" in the leftmost place is left in rest,
// for yield to judge. Walks that end at a node with a value, or at the name's
// end, are handed to yield, until it returns false.
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
	c := n.children.Load()
	if c == nil {
		return true
	}
	for label, child := range c.all() {
		if !strings.HasPrefix(label, "_") && !match(child, left, yield) {
			return false
		}
	}
	return true
}

// relative cuts the origin off name: "web.default.svc" of
// "web.default.svc.cluster.local.", "" of "cluster.local.".
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
