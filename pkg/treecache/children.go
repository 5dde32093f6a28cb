package treecache

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
	"strings"
)

// children are the nodes of type N one label below a node. Short labels, nearly all of them, are in
// the entries of the map: comparing them needs no other memory access.
type children[N any] struct {
	short Map[shortLabel, N]
	long  Map[string, N]
}

// A shortLabel is text of at most shortSize bytes as three words. Its last byte is its size. It is
// copied and compared in registers.
type shortLabel struct{ a, b, c uint64 }

const shortSize = 23

func shortLabelOf(text string) (l shortLabel) {
	size := uint64(len(text)) << 56
	switch {
	case len(text) < 8:
		return shortLabel{a: word(text), c: size}
	case len(text) < 16:
		return shortLabel{a: word(text[:8]), b: word(text[8:]), c: size}
	}
	return shortLabel{a: word(text[:8]), b: word(text[8:16]), c: word(text[16:]) | size}
}

// word returns up to eight bytes as a number. Bytes that are read twice are at the same place.
func word(text string) uint64 {
	switch n := len(text); {
	case n == 8:
		return uint64(half(text)) | uint64(half(text[4:]))<<32
	case n >= 4:
		return uint64(half(text)) | uint64(half(text[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(text[0]) | uint64(text[n/2])<<(8*(n/2)) | uint64(text[n-1])<<(8*(n-1))
	}
	return 0
}

func half(text string) uint32 {
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24
}

func (l shortLabel) String() string {
	var text [shortSize + 1]byte
	binary.LittleEndian.PutUint64(text[0:], l.a)
	binary.LittleEndian.PutUint64(text[8:], l.b)
	binary.LittleEndian.PutUint64(text[16:], l.c)
	return string(text[:text[shortSize]])
}

// A hasher hashes labels. The hash is seeded so that users cannot choose colliding names.
type hasher struct {
	seed    maphash.Seed
	secrets [3]uint64
}

func newHasher() *hasher {
	h := &hasher{seed: maphash.MakeSeed()}
	for i := range h.secrets {
		h.secrets[i] = maphash.Comparable(h.seed, i) | 1
	}
	return h
}

func (h *hasher) short(l shortLabel) uint64 {
	return mix(mix(l.a^h.secrets[0], l.b^h.secrets[1]), l.c^h.secrets[2])
}

// mix folds the product of two numbers.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func (h *hasher) long(text string) uint64 { return maphash.String(h.seed, text) }

func newChildren[N any](h *hasher) *children[N] {
	c := &children[N]{}
	c.short.init(h.short)
	c.long.init(h.long)
	return c
}

func (c *children[N]) get(label string) *N {
	if len(label) <= shortSize {
		return c.short.Get(shortLabelOf(label))
	}
	return c.long.Get(label)
}

// add returns a new node, the zero value. Writer only.
func (c *children[N]) add(label string) *N {
	var zero N
	if len(label) <= shortSize {
		return c.short.Put(shortLabelOf(label), zero)
	}
	// A clone does not keep the full name alive.
	return c.long.Put(strings.Clone(label), zero)
}

func (c *children[N]) remove(label string) {
	if len(label) <= shortSize {
		c.short.Delete(shortLabelOf(label))
	} else {
		c.long.Delete(label)
	}
}

func (c *children[N]) empty() bool { return c.short.Len() == 0 && c.long.Len() == 0 }

// all yields every node with its label, in no order, starting at a random one.
func (c *children[N]) all() iter.Seq2[string, *N] {
	return func(yield func(string, *N) bool) {
		for label, n := range c.short.All() {
			if !yield(label.String(), n) {
				return
			}
		}
		for label, n := range c.long.All() {
			if !yield(label, n) {
				return
			}
		}
	}
}
