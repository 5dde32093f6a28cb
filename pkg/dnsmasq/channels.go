package dnsmasq

import "context"

// send sends v unless ctx is done first. It reports whether it did.
func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// replace puts v into a channel of capacity one in the place of what is there.
// Only one goroutine at a time may send to ch.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}
