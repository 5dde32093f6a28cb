// Package listwatch follows one resource of the Kubernetes API: it lists it, streamed if the server
// can, else in pages, then watches it, and lists again if it missed something. It does not
// interpret the objects.
//
// It replaces client-go's Reflector, which holds all pages of a list at once and finishes its
// back-off before it stops. The Reflector cannot be set for servers that ignore streaming.
// client-go's watches also turn broken connections into ordinary ends. This package decodes one
// object at a time, so peak memory is one object more than the caller keeps. It returns each error
// unchanged, with its class.
//
//	f := listwatch.Follower[Thing]{
//		Resource: things, Sink: sink, Observer: observer, Log: log, Position: new(listwatch.Position),
//	}
//	err := f.Run(ctx) // nil when ctx is done
package listwatch
