package querylog

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxBuffered bounds the entries that wait for the next flush, and maxMessageBytes
	// their messages.
	maxBuffered     = 8192
	maxMessageBytes = 4 << 20
	// maxMessage is the size of the largest message that is kept.
	maxMessage = 4096
)

// A Sink takes entries. Put must not wait, and must not keep the entry.
type Sink interface{ Put(e *Entry) }

// A counter counts what is dropped.
type counter interface{ Inc() }

// A Tap takes samples of queries. A server calls Pick, Message and Put. A nil Tap is
// always off.
type Tap struct {
	clients Clients
	dropped counter

	limit    atomic.Uint64 // Pick takes draws below it; 0: off
	messages atomic.Bool   // a sink wants Entry.Message
	changed  chan struct{} // holds a token after a change of sinks

	mu     sync.Mutex // guards the next three
	buffer []Entry
	spare  []Entry // memory for the next buffer
	bytes  int     // of the buffer's messages

	sinksMu sync.Mutex
	sinks   []*tapped // replaced and never changed
}

// A tapped sink gets its share of the entries.
type tapped struct {
	sink     Sink
	limit    uint64 // of draws
	messages bool
}

func newTap(clients Clients, dropped counter) *Tap {
	return &Tap{clients: clients, dropped: dropped, changed: make(chan struct{}, 1)}
}

// limitOf returns how many of 1<<32 draws are in a share.
func limitOf(sample float64) uint64 { return uint64(sample * (1 << 32)) }

// Pick decides whether a query is sampled. Entry.Draw has to be the draw.
func (t *Tap) Pick() (draw uint32, picked bool) {
	if t == nil {
		return 0, false
	}
	limit := t.limit.Load()
	if limit == 0 {
		return 0, false
	}
	draw = rand.Uint32()
	return draw, uint64(draw) < limit
}

// Message returns a copy of a reply if a sink wants it and it is not too large, else nil.
func (t *Tap) Message(reply []byte) []byte {
	if !t.messages.Load() || len(reply) > maxMessage {
		return nil
	}
	return bytes.Clone(reply)
}

// Put hands entries over. They are dropped and counted when too many wait.
func (t *Tap) Put(entries ...Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if len(t.buffer) == maxBuffered || t.bytes+len(e.Message) > maxMessageBytes {
			t.dropped.Inc()
			continue
		}
		t.bytes += len(e.Message)
		t.buffer = append(t.buffer, *e)
	}
}

// flush hands the entries that wait to the sinks. Only one goroutine may call it.
func (t *Tap) flush() {
	t.mu.Lock()
	entries := t.buffer
	t.buffer, t.spare, t.bytes = t.spare, nil, 0
	t.mu.Unlock()

	t.sinksMu.Lock()
	sinks := t.sinks
	t.sinksMu.Unlock()
	for i := range entries {
		e := &entries[i]
		e.Client = t.clients.keep(e.Client)
		for _, s := range sinks {
			if uint64(e.Draw) < s.limit {
				s.sink.Put(e)
			}
		}
	}
	clear(entries)
	if t.isOff() {
		entries = nil // nor keeps the memory
	}
	t.mu.Lock()
	t.spare = entries[:0]
	t.mu.Unlock()
}

func (t *Tap) isOff() bool { return t.limit.Load() == 0 }

// replace removes sinks and adds others.
func (t *Tap) replace(gone func(Sink) bool, add ...*tapped) {
	t.sinksMu.Lock()
	defer t.sinksMu.Unlock()
	left := slices.DeleteFunc(slices.Clone(t.sinks), func(s *tapped) bool { return gone(s.sink) })
	t.sinks = slices.Concat(left, add)
	limit, messages := uint64(0), false
	for _, s := range t.sinks {
		limit = max(limit, s.limit)
		messages = messages || s.messages
	}
	t.messages.Store(messages)
	t.limit.Store(limit)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}
