package dnsmasq

import "context"

// send sends v unless ctx is done first, and reports whether it did.
func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// replace sends v to a channel of capacity one, replacing the value there. Only one goroutine at a
// time may send to ch.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}
