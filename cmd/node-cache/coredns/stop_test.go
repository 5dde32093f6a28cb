package coredns

import (
	"context"
	"errors"
	"testing"
)

// A stop that takes longer than its context is abandoned.
func TestWithin(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	held := make(chan struct{})
	defer close(held)
	if err := within(done, func() error { <-held; return nil }); err != nil {
		t.Errorf("a stop that takes too long: got %v, want none", err)
	}
	want := errors.New("stop")
	if err := within(t.Context(), func() error { return want }); !errors.Is(err, want) {
		t.Errorf("a stop that fails: got %v, want %v", err, want)
	}
}
