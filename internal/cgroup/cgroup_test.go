package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	for _, tt := range []struct {
		name, file, content string
		want                int64
	}{
		{"version 2", "memory.max", "178257920\n", 178257920},
		{"version 2, none", "memory.max", "max\n", 0},
		{"version 1", "memory/memory.limit_in_bytes", "41943040\n", 41943040},
		{"version 1, none", "memory/memory.limit_in_bytes", "9223372036854771712\n", 0},
		{"not a number", "memory.max", "-1", 0},
		{"no file", "other", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, tt.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			limit, from, ok := MemoryLimit(root)
			if limit != tt.want || ok != (tt.want > 0) || ok && from != file {
				t.Errorf("got %d from %q (%v), want %d", limit, from, ok, tt.want)
			}
		})
	}
}
