package querylog

import (
	"math"
	"math/rand/v2"
)

// A Picker picks for one goroutine what Tap.Pick picks for all. It draws how many queries
// it passes over, in place of a number for each query. The zero value picks nothing.
type Picker struct {
	tap   *Tap
	limit uint64 // that gap is for
	gap   uint64 // queries to pass over before the next one that is sampled
}

// Picker returns a Picker of the tap. That of a nil Tap is always off.
func (t *Tap) Picker() Picker { return Picker{tap: t} }

// Pick decides whether a query is sampled. Entry.Draw has to be the draw.
func (p *Picker) Pick() (draw uint32, picked bool) {
	if p.tap == nil {
		return 0, false
	}
	limit := p.tap.limit.Load()
	switch {
	case limit == 0:
		return 0, false
	case limit != p.limit:
		p.limit, p.gap = limit, gapOf(limit)
	}
	if p.gap > 0 {
		p.gap--
		return 0, false
	}
	p.gap = gapOf(limit)
	return uint32(rand.Uint64N(limit)), true
}

// gapOf returns how many draws in a row are not below limit: a geometric distribution.
func gapOf(limit uint64) uint64 {
	if limit >= 1<<32 {
		return 0
	}
	share := float64(limit) / (1 << 32)
	return uint64(math.Log(1-rand.Float64()) / math.Log1p(-share)) // at most 37/share
}
