package treecache

import (
	"iter"
	"sync/atomic"
)

// A Map is a hash map of pointers for one writer and any number of readers,
// who take no lock. The built-in map allows no reader beside a writer, and
// copying one for each change costs what the map is large.
//
// Its buckets are chains of entries, linked by atomic pointers. A chain is
// only ever changed at one link at a time, so a reader on its way along one
// always gets to the end. Growing builds new entries, so that a reader still on
// the old table finds there everything that was in it.
type Map[K comparable, V any] struct {
	hash  func(K) uint64
	table atomic.Pointer[table[K, V]]
	len   int // writer only
}

type table[K comparable, V any] struct {
	buckets []atomic.Pointer[entry[K, V]] // a power of two of them
}

type entry[K comparable, V any] struct {
	key   K
	value atomic.Pointer[V]
	next  atomic.Pointer[entry[K, V]]
}

// NewMap returns an empty map that places keys by hash.
func NewMap[K comparable, V any](hash func(K) uint64) *Map[K, V] {
	m := &Map[K, V]{hash: hash}
	m.table.Store(newTable[K, V](1))
	return m
}

func newTable[K comparable, V any](buckets int) *table[K, V] {
	return &table[K, V]{buckets: make([]atomic.Pointer[entry[K, V]], buckets)}
}

func (t *table[K, V]) bucket(hash uint64) *atomic.Pointer[entry[K, V]] {
	return &t.buckets[hash&uint64(len(t.buckets)-1)]
}

// Get returns the pointer stored for key, or nil. Any goroutine.
func (m *Map[K, V]) Get(key K) *V {
	for e := m.table.Load().bucket(m.hash(key)).Load(); e != nil; e = e.next.Load() {
		if e.key == key {
			return e.value.Load()
		}
	}
	return nil
}

// Len returns the number of keys. Writer only.
func (m *Map[K, V]) Len() int { return m.len }

// Put stores value, which is not nil, for key. Writer only.
func (m *Map[K, V]) Put(key K, value *V) {
	bucket := m.table.Load().bucket(m.hash(key))
	for e := bucket.Load(); e != nil; e = e.next.Load() {
		if e.key == key {
			e.value.Store(value)
			return
		}
	}
	m.len++
	if t := m.table.Load(); m.len > len(t.buckets) {
		m.resize(2 * len(t.buckets))
		bucket = m.table.Load().bucket(m.hash(key))
	}
	push(bucket, key, value)
}

// Delete removes key, if it is there. Writer only.
func (m *Map[K, V]) Delete(key K) {
	link := m.table.Load().bucket(m.hash(key))
	for e := link.Load(); e != nil; e = link.Load() {
		if e.key != key {
			link = &e.next
			continue
		}
		link.Store(e.next.Load())
		m.len--
		break
	}
	// A quarter full: a map that was large once must not stay large for ever.
	if t := m.table.Load(); len(t.buckets) > 8 && m.len < len(t.buckets)/4 {
		m.resize(len(t.buckets) / 2)
	}
}

// All yields every key with its value, in no order. Any goroutine; keys that
// come or go meanwhile may be among them or not.
func (m *Map[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		t := m.table.Load()
		for i := range t.buckets {
			for e := t.buckets[i].Load(); e != nil; e = e.next.Load() {
				if !yield(e.key, e.value.Load()) {
					return
				}
			}
		}
	}
}

func (m *Map[K, V]) resize(buckets int) {
	t := newTable[K, V](buckets)
	for key, value := range m.All() {
		push(t.bucket(m.hash(key)), key, value)
	}
	m.table.Store(t)
}

func push[K comparable, V any](bucket *atomic.Pointer[entry[K, V]], key K, value *V) {
	e := &entry[K, V]{key: key}
	e.value.Store(value)
	e.next.Store(bucket.Load())
	bucket.Store(e)
}
