package dns

import (
	"math/bits"
	"net/netip"
	"sync/atomic"
)

// A reverseKey is an address, of either family, as IPv6 has it.
type reverseKey [16]byte

// Prefixes are the address prefixes within which there are addresses with a
// reverse name: the names above theirs exist (RFC 8020). Each family has a binary
// tree, with a leaf for each prefix one label shorter than an address, and a
// branch where two of them part: so the size is that of the leaves, however many
// names are above them. There is one writer; readers take no lock.
type prefixes struct{ fours, sixes prefixTree }

// The length of a leaf's prefix, as IPv6 has it.
const (
	fourBits = 96 + 24
	sixBits  = 124
)

func (p *prefixes) add(addr netip.Addr) {
	if addr.Is4() {
		p.fours.add(firstBits(addr.As16(), fourBits))
	} else {
		p.sixes.add(firstBits(addr.As16(), sixBits))
	}
}

// remove takes back one add.
func (p *prefixes) remove(addr netip.Addr) {
	if addr.Is4() {
		p.fours.remove(firstBits(addr.As16(), fourBits))
	} else {
		p.sixes.remove(firstBits(addr.As16(), sixBits))
	}
}

// has reports whether there are addresses within a prefix that is shorter than they
// are by one label at least. Any goroutine.
func (p *prefixes) has(prefix netip.Prefix) bool {
	if prefix.Addr().Is4() {
		return prefix.Bits() <= 24 && p.fours.has(prefix.Addr().As16(), 96+prefix.Bits())
	}
	return prefix.Bits() <= sixBits && p.sixes.has(prefix.Addr().As16(), prefix.Bits())
}

// A prefixTree holds leaves of one length.
type prefixTree struct{ root atomic.Pointer[prefixNode] }

// A prefixNode is a leaf or a branch. All leaves below a branch begin with the
// first bit bits of its key, and the next bit is that of their side.
type prefixNode struct {
	key   reverseKey
	bit   uint8  // leafBit: this is a leaf
	count uint32 // of a leaf: its addresses; the writer's
	sides [2]atomic.Pointer[prefixNode]
}

const leafBit = 128

// side is the way from a branch to key.
func (n *prefixNode) side(key reverseKey) *atomic.Pointer[prefixNode] {
	return &n.sides[key[n.bit/8]>>(7-n.bit%8)&1]
}

// other is the way to the other side.
func (n *prefixNode) other(key reverseKey) *atomic.Pointer[prefixNode] {
	return &n.sides[key[n.bit/8]>>(7-n.bit%8)&1^1]
}

func (t *prefixTree) has(key reverseKey, length int) bool {
	n := t.root.Load()
	if n == nil {
		return false
	}
	for int(n.bit) < length {
		n = n.side(key).Load()
	}
	return differ(n.key, key) >= length
}

func (t *prefixTree) add(key reverseKey) {
	leaf := t.root.Load()
	for leaf != nil && leaf.bit != leafBit {
		leaf = leaf.side(key).Load()
	}
	fresh := &prefixNode{key: key, bit: leafBit, count: 1}
	if leaf == nil {
		t.root.Store(fresh)
		return
	}
	at := differ(leaf.key, key)
	if at == leafBit {
		leaf.count++
		return
	}
	way := &t.root
	n := way.Load()
	for int(n.bit) < at {
		way = n.side(key)
		n = way.Load()
	}
	branch := &prefixNode{key: key, bit: uint8(at)}
	branch.side(key).Store(fresh)
	branch.other(key).Store(n)
	way.Store(branch) // with all that is below: a reader sees the old tree or the new one
}

func (t *prefixTree) remove(key reverseKey) {
	var above *prefixNode
	var wayAbove *atomic.Pointer[prefixNode]
	way := &t.root
	n := way.Load()
	for n != nil && n.bit != leafBit {
		above, wayAbove = n, way
		way = n.side(key)
		n = way.Load()
	}
	if n == nil || n.key != key {
		return
	}
	if n.count--; n.count > 0 {
		return
	}
	if above == nil {
		t.root.Store(nil)
		return
	}
	wayAbove.Store(above.other(key).Load())
}

// differ returns the first bit in which two keys differ, leafBit where none does.
func differ(a, b reverseKey) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return leafBit
}

// firstBits returns the first n bits of a key, a multiple of 4.
func firstBits(key reverseKey, n int) reverseKey {
	for i := range key {
		if left := n - 8*i; left <= 0 {
			key[i] = 0
		} else if left < 8 {
			key[i] &= 0xf0
		}
	}
	return key
}
