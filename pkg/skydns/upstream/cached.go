package upstream

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/cache"
)

// patience is the time after which a client gets a stale reply, if there is one (RFC 8767 section
// 5).
const patience = 1800 * time.Millisecond

// Cached returns the cached reply to a client's query, or nil. It does not retain query.
func (f *Forwarder) Cached(query []byte) []byte {
	if f.replies == nil {
		return nil
	}
	return f.cached(f.wayOf(query), query)
}

// cached returns the cached reply to a query for a way, or nil.
func (f *Forwarder) cached(w way, query []byte) []byte {
	q, ok := cacheable(f.replies, w, query)
	if !ok {
		return nil
	}
	now := time.Now()
	reply, state := f.replies.Get(q, now)
	if state != cache.Fresh && state != cache.Failing {
		return nil
	}
	if f.replies.Claim(q, now) {
		f.refresh(w, bytes.Clone(query), q)
	}
	return reply
}

func cacheable(replies *cache.Cache, w way, query []byte) (cache.Question, bool) {
	if replies == nil {
		return cache.Question{}, false
	}
	return cache.Read(query, w.key())
}

// refresh replaces a cached reply in the background.
func (f *Forwarder) refresh(w way, query []byte, q cache.Question) {
	f.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout) //nolint:forbidigo // it is bounded
		defer cancel()
		reply, err := f.exchange(ctx, f.resolve(ctx, w), query, lookupDeadline(ctx))
		if err != nil {
			reply = nil
		}
		f.replies.Set(q, reply, time.Now())
	})
}

// keep stores the reply to a query in the cache; nil: the query failed.
func keep(replies *cache.Cache, w way, query, reply []byte) {
	if q, ok := cacheable(replies, w, query); ok {
		replies.Set(q, reply, time.Now())
	}
}

// orStale returns done for a query that is not in the cache. If the query fails or takes long, done
// gets a stale reply, if there is one.
func orStale(replies *cache.Cache, w way, query []byte, done func([]byte, error)) func([]byte, error) {
	q, ok := cacheable(replies, w, query)
	if !ok {
		return done
	}
	stale := replies.Stale(q, time.Now())
	if stale == nil {
		return done
	}
	var once sync.Once
	reply := func(reply []byte, err error) { once.Do(func() { done(reply, err) }) }
	timer := time.AfterFunc(patience, func() {
		replies.Set(q, nil, time.Now())
		reply(stale, nil)
	})
	return func(got []byte, err error) {
		timer.Stop()
		if err != nil || !isAnswer(got) {
			got = stale
		}
		reply(got, nil)
	}
}
