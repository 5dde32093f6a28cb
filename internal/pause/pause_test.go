package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		begin := time.Now()
		for _, tt := range []struct {
			pause, end time.Duration
			want       bool
		}{
			{0, 0, true},
			{-time.Second, 0, true},
			{time.Minute, time.Minute, true},
			{time.Minute, 90 * time.Second, false},
			{time.Minute, 90 * time.Second, false},
			{0, 90 * time.Second, false},
		} {
			got := pause.For(ctx, tt.pause)
			if end := time.Since(begin); got != tt.want || end != tt.end {
				t.Errorf("For(%s) = %v after %s, want %v after %s", tt.pause, got, end, tt.want, tt.end)
			}
		}
	})
}
