// Package cgroup reads the limits of the container that the process runs in.
package cgroup

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// Root is where containers find their own cgroup.
const Root = "/sys/fs/cgroup"

// MemoryLimit returns the memory limit of the cgroup at root in bytes, and the file with that
// limit. ok is false if there is no limit. It reads version 2 (memory.max) and version 1
// (memory.limit_in_bytes).
func MemoryLimit(root string) (limit int64, file string, ok bool) {
	for _, name := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		file := filepath.Join(root, name)
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
		// "max" is no number; version 1 writes a huge one for no limit.
		if err != nil || limit <= 0 || limit > math.MaxInt64/2 {
			return 0, "", false
		}
		return limit, file, true
	}
	return 0, "", false
}
