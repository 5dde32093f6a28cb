package kubeapi

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

// Churn replaces one address of one Service after the other, rate times a second, like rolling
// updates. It returns the number of updates and the first error.
func Churn(ctx context.Context, c *Client, g dataset.Group, rate int, duration time.Duration) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	jobs := make(chan int) // sent and closed below
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for j := range jobs {
				if err := replace(ctx, c, g, j); err != nil {
					cancel(err)
					continue
				}
				done.Add(1)
			}
		})
	}
	start := time.Now()
	for j := range int(duration.Seconds() * float64(rate)) {
		time.Sleep(time.Until(start.Add(time.Duration(j) * time.Second / time.Duration(rate))))
		if ctx.Err() != nil {
			break
		}
		jobs <- j
	}
	close(jobs)
	workers.Wait()
	return int(done.Load()), context.Cause(ctx)
}

func replace(ctx context.Context, c *Client, g dataset.Group, n int) error {
	service := n % g.Services
	// A different address each time, so that each update has an effect.
	clock := int(time.Now().UnixNano() / 1e6)
	other := netip.AddrFrom4([4]byte{10, 250, byte(clock >> 8), byte(clock)})
	_, err := c.Do(ctx, http.MethodPut, SlicePath(g, service), Slice(g, service, n/g.Services, other))
	return err
}
