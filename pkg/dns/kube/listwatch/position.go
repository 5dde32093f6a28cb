package listwatch

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
)

// errRelist stops a watch so that its resource is listed again.
var errRelist = errors.New("a relist is due")

// A Position is the progress of a follower. It can send the follower back to its list. The zero
// value is ready for use, and safe for concurrent use.
type Position struct {
	version atomic.Uint64

	mu   sync.Mutex
	due  bool        // a relist
	stop func(error) // closes the open watch; nil: none
}

// Version returns the version of the last change or bookmark, after everything up to it was passed
// to the sink. It is 0 if unknown or not a number.
func (p *Position) Version() uint64 { return p.version.Load() }

// Relist requests a new list as soon as the follower's watch is open.
func (p *Position) Relist() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = true
	if p.stop != nil {
		p.stop(errRelist)
	}
}

// watching sets the function that closes the open watch; nil if there is none.
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

// Number returns the value of a resourceVersion. Versions of one resource can be compared. A
// version that is not a number counts as the oldest.
func Number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
