package querylog

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

const (
	// maxBuffered limits the entries that wait for the next flush, and maxMessageBytes limits their
	// messages.
	maxBuffered     = 8192
	maxMessageBytes = 4 << 20
	// maxMessage is the size of the largest message to store.
	maxMessage = 4096
)

// A counter counts drops.
type counter interface{ Inc() }

// A Tap takes samples of queries. A server calls Pick, Message and Put. A nil Tap is
// always off.
type Tap struct {
	limit    atomic.Uint64 // Pick takes draws below it; 0: off
	messages bool          // Entry.Message is wanted
	dropped  counter

	mu     sync.Mutex // guards the next two
	buffer []Entry
	bytes  int // of the buffer's messages
}

// limitOf returns the number of draws, out of 1<<32, in a share.
func limitOf(sample float64) uint64 { return uint64(sample * (1 << 32)) }

// Pick decides whether a query is sampled. The caller must set Entry.Draw to draw.
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

// Message returns a copy of a reply, or nil if messages are off or the reply is too large.
func (t *Tap) Message(reply []byte) []byte {
	if !t.messages || len(reply) > maxMessage {
		return nil
	}
	return bytes.Clone(reply)
}

// Put queues entries. It drops and counts entries if the queue is full.
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

// take returns the queued entries. The buffer then has room for as many without a copy.
func (t *Tap) take() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries := t.buffer
	t.buffer, t.bytes = make([]Entry, 0, len(entries)), 0
	return entries
}

func (t *Tap) isOff() bool { return t.limit.Load() == 0 }
