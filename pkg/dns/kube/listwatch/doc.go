// Package listwatch follows one resource of the Kubernetes API: it lists it, streamed
// where the server can, else in pages, then watches it, and lists again when it missed
// something. It has no knowledge of what the objects mean.
//
// It is used instead of client-go's Reflector, which holds all pages of a list at
// once, cannot be set for servers that ignore streaming, and waits out its back-off
// before it stops; client-go's watches turn broken connections into ordinary ends.
// This package decodes one object at a time, so the peak of memory is one object above
// what the caller keeps, and it returns each error as it is, with its class.
//
//	f := listwatch.Follower[Thing]{
//		Resource: things, Sink: sink, Observer: observer, Log: log, Position: new(listwatch.Position),
//	}
//	err := f.Run(ctx) // nil when ctx is done
package listwatch
