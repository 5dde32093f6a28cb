package cache

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// A Cache stores replies. It is safe for concurrent use.
type Cache struct {
	entries *otter.Cache[string, *entry]
	counts  [states]atomic.Uint64
}

// A State is the state of a question in a cache.
type State int

// The states of a question.
const (
	// Missing: no reply.
	Missing State = iota
	// Fresh: a reply.
	Fresh
	// Stale: an expired reply. It is for clients with a query that fails.
	Stale
	// Failing: an expired reply, while upstreams fail. It is for all clients.
	Failing
	states
)

// MinSize is the size of the smallest cache, in bytes.
const MinSize = 64 << 10

const (
	// overhead is the size of an entry without its key and message, in bytes: the structures of
	// this package and of the library, rounded up.
	overhead = 400
	// perTTL is for the offset of one TTL.
	perTTL = 2
)

// New returns a cache of at most size bytes, at least MinSize.
func New(size int) *Cache {
	return &Cache{entries: otter.Must(&otter.Options[string, *entry]{
		MaximumWeight: uint64(max(size, MinSize)),
		Weigher:       func(key string, e *entry) uint32 { return uint32(weigh(key, e)) },
		// Maintenance is short: a goroutine for it costs more.
		Executor: func(task func()) { task() },
	})}
}

func weigh(key string, e *entry) int { return len(key) + cap(e.msg) + perTTL*cap(e.ttls) + overhead }

// Get returns a reply to a query. Only Fresh and Failing replies are for all clients.
func (c *Cache) Get(q Question, now time.Time) ([]byte, State) {
	e, found := c.entries.GetIfPresent(q.key)
	var state State
	switch {
	case !found || e.age(now) > e.ttl+maxStale:
		return nil, Missing
	case e.age(now) < e.ttl:
		state = Fresh
	case e.failed.Load():
		state = Failing
	default:
		return nil, Stale
	}
	e.uses.Add(1)
	c.counts[state].Add(1)
	return e.reply(q, now, state != Fresh), state
}

// Denied reports whether the cache has a fresh reply that denies the name, with no record but the
// denial, and for how many seconds it is valid.
func (c *Cache) Denied(q Question, now time.Time) (ttl uint32, ok bool) {
	e, found := c.entries.GetIfPresent(q.key)
	if !found || !e.denial || e.age(now) >= e.ttl {
		return 0, false
	}
	e.uses.Add(1)
	c.counts[Fresh].Add(1)
	return uint32((e.ttl - e.age(now)) / time.Second), true
}

// Stale returns the reply for a query that fails, or nil.
func (c *Cache) Stale(q Question, now time.Time) []byte {
	e, found := c.entries.GetIfPresent(q.key)
	if !found || e.age(now) > e.ttl+maxStale {
		c.counts[Missing].Add(1)
		return nil
	}
	c.counts[Stale].Add(1)
	return e.reply(q, now, true)
}

// Set stores the reply to a query, if allowed. It reports whether upstreams answered: other
// replies, and nil, count as failures.
func (c *Cache) Set(q Question, reply []byte, now time.Time) (answered bool) {
	const nxdomain, truncated = 3, 2
	answered = len(reply) > 3 && (reply[3]&0xf == 0 || reply[3]&0xf == nxdomain)
	if answered && reply[2]&truncated == 0 {
		if e := newEntry(q, reply, now); e != nil && weigh(q.key, e) <= int(c.entries.GetMaximum()/16) {
			c.entries.Set(q.key, e)
		} else {
			c.entries.Invalidate(q.key) // the older reply is wrong now
		}
		return true
	}
	if e, found := c.entries.GetIfPresent(q.key); found {
		e.refreshing.Store(false)
		e.failed.Store(!answered && e.age(now) >= e.ttl)
	}
	return answered
}

const (
	// hotUses is the number of uses that make an entry worth a prefetch.
	hotUses = 3
	// retryEvery is the pause between two attempts to refresh an entry.
	retryEvery = time.Second
)

// Claim reports whether the caller should get a newer reply for a question: its entry is used often
// and about to expire, or it is stale. The caller must then call Set. Only one caller at a time has
// a claim.
func (c *Cache) Claim(q Question, now time.Time) bool {
	e, found := c.entries.GetIfPresent(q.key)
	if !found {
		return false
	}
	due := e.age(now) >= e.ttl || e.uses.Load() >= hotUses && e.ttl-e.age(now) <= e.ttl/10
	if !due || now.UnixNano()-e.triedAt.Load() < int64(retryEvery) || !e.refreshing.CompareAndSwap(false, true) {
		return false
	}
	e.triedAt.Store(now.UnixNano())
	return true
}

// Stats are the state and the counters of a cache.
type Stats struct {
	// Entries and Bytes are the size of the cache.
	Entries, Bytes int
	// Fresh counts queries with a fresh reply, and Failing those with an expired one while
	// upstreams fail. Stale counts forwarded queries with an expired reply in reserve, and Missed
	// those without.
	Fresh, Failing, Stale, Missed uint64
}

// Stats returns the state and the counters.
func (c *Cache) Stats() Stats {
	return Stats{
		Entries: c.entries.EstimatedSize(), Bytes: int(c.entries.WeightedSize()),
		Fresh: c.counts[Fresh].Load(), Failing: c.counts[Failing].Load(),
		Stale: c.counts[Stale].Load(), Missed: c.counts[Missing].Load(),
	}
}
