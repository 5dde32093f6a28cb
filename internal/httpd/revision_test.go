package httpd

import (
	"runtime/debug"
	"testing"
)

func TestRevision(t *testing.T) {
	stamped := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"},
		{Key: "vcs.revision", Value: "0123"}}}
	for _, tt := range []struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		{"", stamped, "0123"},
		{"4567", stamped, "4567"},
		{"4567", nil, "4567"},
		{"", nil, "unknown"},
		{"", &debug.BuildInfo{}, "unknown"},
	} {
		if got := revision(tt.linked, tt.info); got != tt.want {
			t.Errorf("linked %q, info %v: got %s, want %s", tt.linked, tt.info, got, tt.want)
		}
	}
}
