package kube

import "sync/atomic"

// A position says how far a follower has come, and can send it back to its
// list. It is safe for concurrent use. Nil is the one of a follower that nobody
// asks.
type position struct {
	// version is that of the last change or bookmark, when everything up to it
	// was handed to the sink; 0 when it is unknown or no number.
	version atomic.Uint64
	again   chan struct{} // a relist that is due
}

func newPosition() *position { return &position{again: make(chan struct{}, 1)} }

// relist makes the follower list again, as soon as its watch is open.
func (p *position) relist() {
	select {
	case p.again <- struct{}{}:
	default: // it is due already
	}
}

// relists returns a channel that has a value when a relist is due.
func (p *position) relists() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.again
}

// listed is reached, for the version of a complete list.
func (p *position) listed(version string) {
	select {
	case <-p.relists(): // done herewith
	default:
	}
	p.reached(version)
}

func (p *position) reached(version string) {
	if p != nil {
		p.version.Store(number(version))
	}
}
