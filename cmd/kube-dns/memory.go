package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/kube-dns/kube-dns/internal/cgroup"
	"github.com/kube-dns/kube-dns/internal/pause"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// tuneMemory keeps the heap below nine tenths of the container's memory limit, unless
// the environment variable GOMEMLIMIT is set. The rest is for stacks and buffers.
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

// returnMemory returns unused memory to the system once the first lists are complete.
// The runtime alone would take minutes.
func returnMemory(ctx context.Context, zone *kubedns.Zone) error {
	for pause.For(ctx, time.Second) {
		if zone.HasSynced() {
			debug.FreeOSMemory()
			break
		}
	}
	return nil
}
