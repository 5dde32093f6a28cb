package kube

import (
	"errors"
	"sync"
	"sync/atomic"
)

// errRelist ends a watch so that its resource is listed again.
var errRelist = errors.New("a relist is due")

// A position is how far a follower has come. It can send the follower back to
// its list. It is safe for concurrent use. Nil is the one of a follower that
// nothing asks.
type position struct {
	// version is that of the last change or bookmark, when everything up to it
	// was handed to the sink; 0 when it is unknown or no number.
	version atomic.Uint64

	mu   sync.Mutex
	due  bool        // a relist
	stop func(error) // the open watch; nil: none
}

func newPosition() *position { return &position{} }

// relist makes the follower list again, as soon as its watch is open.
func (p *position) relist() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = true
	if p.stop != nil {
		p.stop(errRelist)
	}
}

// watching sets how the open watch is ended; nil when there is none.
func (p *position) watching(stop func(error)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = stop
	if p.due && stop != nil {
		stop(errRelist)
	}
}

// listed is reached, for the version of a complete list.
func (p *position) listed(version string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.due = false
	p.mu.Unlock()
	p.reached(version)
}

func (p *position) reached(version string) {
	if p != nil {
		p.version.Store(number(version))
	}
}
