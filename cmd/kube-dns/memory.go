package main

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// memoryLimitFiles are where the limit of a container stands: cgroups of
// version 2 and of version 1.
var memoryLimitFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// tuneMemory keeps the garbage collector below the container's limit, unless
// the environment (GOMEMLIMIT) says otherwise.
func tuneMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, path := range memoryLimitFiles {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if limit, ok := softLimit(data); ok {
			debug.SetMemoryLimit(limit)
			log.Info("set the memory limit of the garbage collector", "softLimit", limit, "from", path)
		}
		return
	}
}

// softLimit is what the collector is to keep below when the container's limit
// is what the file says: some room is left for what is not heap.
func softLimit(file []byte) (int64, bool) {
	limit, err := strconv.ParseInt(string(bytes.TrimSpace(file)), 10, 64)
	// "max" is no number; version 1 writes a huge one for no limit.
	if err != nil || limit <= 0 || limit > math.MaxInt64/2 {
		return 0, false
	}
	return limit / 10 * 9, true
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
