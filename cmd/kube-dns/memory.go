package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/kube-dns/kube-dns/internal/cgroup"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// tuneMemory keeps the garbage collector below nine tenths of the container's
// limit, unless the environment (GOMEMLIMIT) sets another: some room is left for
// what is not heap.
func tuneMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, file, ok := cgroup.MemoryLimit(cgroup.Root); ok {
		soft := limit / 10 * 9
		debug.SetMemoryLimit(soft)
		log.Info("set the memory limit of the garbage collector", "softLimit", soft, "from", file)
	}
}

// returnMemory gives back what the first lists took and what is not needed any
// more, once they are there. Without it the system would get it back minutes
// later.
func returnMemory(ctx context.Context, zone *kubedns.Zone) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if zone.HasSynced() {
				debug.FreeOSMemory()
				return nil
			}
		}
	}
}
