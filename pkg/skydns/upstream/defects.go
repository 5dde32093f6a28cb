package upstream

import (
	"sync/atomic"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// defects counts malformed replies.
type defects struct {
	counts [wire.BadData + 1]atomic.Uint64
}

func (d *defects) count(why wire.Defect) { d.counts[why].Add(1) }

// byReason returns the counters.
func (d *defects) byReason() map[string]uint64 {
	counts := map[string]uint64{}
	for why := wire.Short; why <= wire.BadData; why++ {
		counts[why.String()] = d.counts[why].Load()
	}
	return counts
}
