package listwatch

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
)

// errRelist ends a watch so that its resource is listed again.
var errRelist = errors.New("a relist is due")

// A Position is how far a follower has come. It can send the follower back to
// its list. The zero value is ready for use, and safe for concurrent use.
type Position struct {
	version atomic.Uint64

	mu   sync.Mutex
	due  bool        // a relist
	stop func(error) // the open watch; nil: none
}

// Version is that of the last change or bookmark, when everything up to it was
// handed to the sink; 0 when it is unknown or no number.
func (p *Position) Version() uint64 { return p.version.Load() }

// Relist makes the follower list again, as soon as its watch is open.
func (p *Position) Relist() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = true
	if p.stop != nil {
		p.stop(errRelist)
	}
}

// watching sets how the open watch is ended; nil when there is none.
func (p *Position) watching(stop func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = stop
	if p.due && stop != nil {
		stop(errRelist)
	}
}

// listed is reached, for the version of a complete list.
func (p *Position) listed(version string) {
	p.mu.Lock()
	p.due = false
	p.mu.Unlock()
	p.reached(version)
}

func (p *Position) reached(version string) { p.version.Store(Number(version)) }

// Number is the value of a resourceVersion. Versions of one resource can be
// compared; one that is no number counts as the oldest.
func Number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
