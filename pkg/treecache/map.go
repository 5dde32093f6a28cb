package treecache

import (
	"iter"
	"math/rand/v2"
	"sync/atomic"
)

// A Map is a hash map for one writer and any number of readers, which take no lock.
// Copying a built-in map on every change would cost O(n); a lookup in a sync.Map costs
// three times as much.
//
// An entry never moves. It is found by probing a table of pointers, slot by slot, from
// the place of its hash. Each pointer has a tag, a byte of the hash, so that a reader
// goes to memory for the wanted entry and hardly for another one. Growing makes a new
// table of the same entries; a reader of the old table still finds all of them.
type Map[K comparable, V any] struct {
	hash  func(K) uint64
	table atomic.Pointer[table[K, V]]
	len   int // writer only
	used  int // slots with a tag, deleted ones among them; writer only
}

// An entry is immutable, but for what its value allows.
type entry[K comparable, V any] struct {
	key   K
	value V
}

// A table has a power of two of slots. A quarter of them at least are empty.
type table[K comparable, V any] struct {
	tags    []atomic.Uint32 // of four slots each
	entries []atomic.Pointer[entry[K, V]]
}

// Tags that are not of a hash.
const (
	tagEmpty   = 0 // nothing was ever here: a probe ends
	tagDeleted = 1
	tagFirst   = 2
)

const minSlots = 4

func tagOf(hash uint64) uint32 { return max(uint32(hash>>56), tagFirst) }

// NewMap returns an empty map that places keys by hash. All bits of the hash count.
func NewMap[K comparable, V any](hash func(K) uint64) *Map[K, V] {
	m := &Map[K, V]{}
	m.init(hash)
	return m
}

func (m *Map[K, V]) init(hash func(K) uint64) {
	m.hash = hash
	m.table.Store(newTable[K, V](minSlots))
}

func newTable[K comparable, V any](slots int) *table[K, V] {
	return &table[K, V]{tags: make([]atomic.Uint32, slots/4), entries: make([]atomic.Pointer[entry[K, V]], slots)}
}

func (t *table[K, V]) tag(slot uint64) uint32 {
	return t.tags[slot/4].Load() >> (slot % 4 * 8) & 0xff
}

func (t *table[K, V]) setTag(slot uint64, tag uint32) {
	word, shift := &t.tags[slot/4], slot%4*8
	word.Store(word.Load()&^(0xff<<shift) | tag<<shift)
}

// find returns the slot of key and its entry. Without an entry, the slot is the
// one to put it in.
func (t *table[K, V]) find(hash uint64, key K) (slot uint64, e *entry[K, V]) {
	mask, tag := uint64(len(t.entries)-1), tagOf(hash)
	free, isFree := uint64(0), false
	for slot = hash & mask; ; slot = (slot + 1) & mask {
		switch t.tag(slot) {
		case tag:
			// Of a deleted entry, a reader may see the tag and no more.
			if e := t.entries[slot].Load(); e != nil && e.key == key {
				return slot, e
			}
		case tagDeleted:
			if !isFree {
				free, isFree = slot, true
			}
		case tagEmpty:
			if isFree {
				return free, nil
			}
			return slot, nil
		}
	}
}

// Get returns the value of key, or nil. Any goroutine.
func (m *Map[K, V]) Get(key K) *V {
	hash, t := m.hash(key), m.table.Load()
	if _, e := t.find(hash, key); e != nil {
		return &e.value
	}
	return nil
}

// Len returns the number of keys. Writer only.
func (m *Map[K, V]) Len() int { return m.len }

// Put stores a value for key, in place of the one it had, and returns where it
// is. Writer only.
func (m *Map[K, V]) Put(key K, value V) *V {
	hash := m.hash(key)
	slot, held := m.table.Load().find(hash, key)
	if held == nil {
		if 4*(m.used+1) > 3*len(m.table.Load().entries) {
			m.rebuild()
			slot, _ = m.table.Load().find(hash, key)
		}
		m.len++
	}
	e := &entry[K, V]{key: key, value: value}
	m.fill(m.table.Load(), slot, tagOf(hash), e)
	return &e.value
}

func (m *Map[K, V]) fill(t *table[K, V], slot uint64, tag uint32, e *entry[K, V]) {
	if t.tag(slot) == tagEmpty {
		m.used++
	}
	// In this order: a reader that sees the tag has to find the entry.
	t.entries[slot].Store(e)
	t.setTag(slot, tag)
}

// Delete removes key, if it is there. Writer only.
func (m *Map[K, V]) Delete(key K) {
	t := m.table.Load()
	slot, e := t.find(m.hash(key), key)
	if e == nil {
		return
	}
	m.len--
	// Where a probe would end at the next slot, it may end here.
	tag := uint32(tagDeleted)
	if t.tag((slot+1)&uint64(len(t.entries)-1)) == tagEmpty {
		tag = tagEmpty
		m.used--
	}
	t.setTag(slot, tag)
	t.entries[slot].Store(nil)
	// A map that was large once must not stay large.
	if len(t.entries) > minSlots && m.len < len(t.entries)/8 {
		m.rebuild()
	}
}

// All yields every key with its value, in no order, beginning at a random one.
// Any goroutine; keys that come or go meanwhile may be among them or not.
func (m *Map[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		t := m.table.Load()
		first := rand.IntN(len(t.entries))
		for i := range t.entries {
			slot := (first + i) % len(t.entries)
			if e := t.entries[slot].Load(); e != nil && !yield(e.key, &e.value) {
				return
			}
		}
	}
}

// rebuild makes a table for the entries there are, a quarter to half full, and
// without slots of deleted ones.
func (m *Map[K, V]) rebuild() {
	slots := minSlots
	for slots < 2*(m.len+1) {
		slots *= 2
	}
	old, t := m.table.Load(), newTable[K, V](slots)
	m.used = 0
	for i := range old.entries {
		if e := old.entries[i].Load(); e != nil {
			hash := m.hash(e.key)
			slot, _ := t.find(hash, e.key)
			m.fill(t, slot, tagOf(hash), e)
		}
	}
	m.table.Store(t)
}
