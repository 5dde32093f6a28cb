package skydns

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"
)

// Native histograms have exponential buckets: each bound is 1.09 times the one below.
const (
	nativeSchema = 3 // each power of two has 2^nativeSchema buckets
	nativeSteps  = 1 << nativeSchema
	nativeLowest = -20 // the zero bucket ends at 2^nativeLowest seconds, about 1 us
	nativeLast   = 4   // the last bucket ends at 2^nativeLast seconds
	nativeCount  = (nativeLast - nativeLowest) * nativeSteps
	// nativeOffset is the index of the bucket with the number 0, which ends at 1 s.
	nativeOffset = -nativeLowest * nativeSteps
)

// nativeBuckets count durations. The first one is the zero bucket.
type nativeBuckets [nativeCount + 1]atomic.Uint64

// nativeBounds are the upper bounds of the buckets from 1/2 to 1.
var nativeBounds = func() (bounds [nativeSteps]float64) {
	for i := range bounds {
		bounds[i] = math.Exp2(float64(i)/nativeSteps) / 2
	}
	return bounds
}()

// nativeIndex returns the index of the bucket of a duration.
func nativeIndex(took time.Duration) int {
	if took <= 0 {
		return 0
	}
	fraction, exponent := math.Frexp(took.Seconds())
	number := (exponent-1)*nativeSteps + bucket(nativeBounds[:], fraction)
	return min(max(number+nativeOffset, 0), nativeCount)
}

// bucket returns the index of the first bound that v does not exceed.
func bucket[T cmp.Ordered](bounds []T, v T) int {
	for i, bound := range bounds {
		if v <= bound {
			return i
		}
	}
	return len(bounds)
}
