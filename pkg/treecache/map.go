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
// An entry never moves. A reader finds it by probing a table of pointers, slot by slot, from the
// place of its hash. Each pointer has a tag, a byte of the hash, so that a reader rarely loads any
// other entry. Growing makes a new table of the same entries; a reader of the old table still finds
// all of them.
type Map[K comparable, V any] struct {
	hash  func(K) uint64
	table atomic.Pointer[table[K, V]]
	len   int // writer only
	used  int // slots with a tag, including deleted ones; writer only
}

// An entry is immutable, unless its value allows changes.
type entry[K comparable, V any] struct {
	key   K
	value V
}

// A table has a power of two of slots. At least a quarter of them are empty.
type table[K comparable, V any] struct {
	tags    []atomic.Uint32 // of four slots each
	entries []atomic.Pointer[entry[K, V]]
}

// Tags that are not from a hash.
const (
	tagEmpty   = 0 // never used: a probe stops
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

// find returns the slot of key and its entry. If there is no entry, the slot is free for it.
func (t *table[K, V]) find(hash uint64, key K) (slot uint64, e *entry[K, V]) {
	mask, tag := uint64(len(t.entries)-1), tagOf(hash)
	free, isFree := uint64(0), false
	for slot = hash & mask; ; slot = (slot + 1) & mask {
		switch t.tag(slot) {
		case tag:
			// A reader may see only the tag of a deleted entry.
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

// Put stores a value for key, replacing any old one, and returns a pointer to it. Writer only.
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
	// In this order: a reader that sees the tag must find the entry.
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
	// If a probe would stop at the next slot, it can stop here.
	tag := uint32(tagDeleted)
	if t.tag((slot+1)&uint64(len(t.entries)-1)) == tagEmpty {
		tag = tagEmpty
		m.used--
	}
	t.setTag(slot, tag)
	t.entries[slot].Store(nil)
	// A map that was large once must not remain large.
	if len(t.entries) > minSlots && m.len < len(t.entries)/8 {
		m.rebuild()
	}
}

// All yields every key with its value, in no order, starting at a random one. Any goroutine. Keys
// that are added or deleted during the call may be included or not.
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

// rebuild makes a table for the current entries, a quarter to half full, without deleted slots.
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
