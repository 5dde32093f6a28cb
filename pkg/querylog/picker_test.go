package querylog

import (
	"math"
	"testing"
)

// TestPicker: a Picker samples the share that was set, its draws are below the limit, and
// it follows changes of the share at once.
func TestPicker(t *testing.T) {
	tap := newTap(FullClients, nil)
	p := tap.Picker()
	const queries = 200_000
	for _, share := range []float64{0, 1e-3, 0.01, 1, 0.1, 0.5, 0} {
		limit := limitOf(share)
		tap.limit.Store(limit)
		picked, sum := 0, 0.0
		for range queries {
			draw, ok := p.Pick()
			if !ok {
				continue
			}
			picked++
			sum += float64(draw)
			if uint64(draw) >= limit {
				t.Fatalf("share %v: the draw %d is not below %d", share, draw, limit)
			}
		}
		want := share * queries
		if apart := math.Abs(float64(picked) - want); apart > 8*math.Sqrt(want*(1-share)) {
			t.Errorf("share %v: picked %d of %d", share, picked, queries)
		}
		if picked > 100 {
			// The mean of uniform draws; 8 standard errors.
			mean, half := sum/float64(picked), float64(limit)/2
			if math.Abs(mean-half) > 8*float64(limit)/math.Sqrt(12*float64(picked)) {
				t.Errorf("share %v: the draws have the mean %g, want %g", share, mean, half)
			}
		}
	}
	var none *Tap
	off := none.Picker()
	if _, ok := off.Pick(); ok {
		t.Error("a nil Tap picks")
	}
}
