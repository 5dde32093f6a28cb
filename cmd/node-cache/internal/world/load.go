package world

import (
	"context"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Query is one query of a load.
type Query struct {
	At     time.Duration // since the start of the load
	Server string        // "": lost
}

// A Load is a pod that sends queries over UDP, each from a new port.
type Load struct {
	cancel  context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	queries []Query
	pending map[net.Conn]bool
	start   time.Time
}

// LoadPeriod is the time between queries of a load.
const LoadPeriod = 2 * time.Millisecond

// StartLoad sends queries to a server until the load is stopped, or the test returns.
func StartLoad(t *testing.T, from Namespace, server netip.Addr) *Load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &Load{cancel: cancel, done: make(chan struct{}), pending: map[net.Conn]bool{}, start: time.Now()}
	go from.Do(func() {
		defer close(l.done)
		var asking sync.WaitGroup
		defer asking.Wait()
		ticker := time.NewTicker(LoadPeriod)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			conn, err := net.Dial("udp", netip.AddrPortFrom(server, 53).String())
			if err != nil {
				l.add(Query{At: l.Now()})
				continue
			}
			at := l.begin(conn)
			asking.Go(func() {
				defer conn.Close()
				name, _ := Exchange(conn, replyTimeout)
				l.end(conn, Query{At: at, Server: name})
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Abandon()
		l.Stop()
	})
	return l
}

// begin records a query about to be sent, and returns its time.
func (l *Load) begin(conn net.Conn) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[conn] = true
	return l.Now()
}

func (l *Load) end(conn net.Conn, q Query) {
	l.add(q)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, conn)
}

func (l *Load) add(q Query) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries = append(l.queries, q)
}

// Abandon drops all queries without a reply, as after an outage, and returns the time. Later
// queries are not affected.
func (l *Load) Abandon() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.pending {
		_ = conn.Close()
	}
	clear(l.pending)
	return l.Now()
}

// WaitFor waits for that number of further replies of a server.
func (l *Load) WaitFor(server string, more int) {
	start := l.Count(server)
	for l.Count(server) < start+more {
		time.Sleep(LoadPeriod)
	}
}

// Count returns the number of replies of a server.
func (l *Load) Count(server string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, q := range l.queries {
		if q.Server == server {
			n++
		}
	}
	return n
}

// Now returns the time since the start of the load, as Query.At has it.
func (l *Load) Now() time.Duration { return time.Since(l.start) }

// Stop returns the queries in the order in which they were sent.
func (l *Load) Stop() []Query {
	l.cancel()
	<-l.done
	slices.SortFunc(l.queries, func(a, b Query) int { return int(a.At - b.At) })
	return l.queries
}

// WantNoneLostSince expects a reply to each query sent at or after a time that Abandon returned. By
// then the kernel has removed everything of an exited process.
func WantNoneLostSince(t *testing.T, queries []Query, ended time.Duration) {
	t.Helper()
	t.Logf("lost %d of %d queries", Lost(queries), len(queries))
	later := Between(queries, ended, math.MaxInt64)
	if lost := Lost(later); lost > 0 || len(later) == 0 {
		t.Errorf("lost %d of %d queries that were sent after the process ended", lost, len(later))
	}
}

// Between returns the queries sent in that interval.
func Between(queries []Query, from, to time.Duration) []Query {
	between := slices.Clone(queries)
	return slices.DeleteFunc(between, func(q Query) bool { return q.At < from || q.At >= to })
}

// Lost returns the number of queries without a reply.
func Lost(queries []Query) int {
	n := 0
	for _, q := range queries {
		if q.Server == "" {
			n++
		}
	}
	return n
}
