package conformance

import (
	"context"
	"net/netip"
)

// A Target is a server under test, with the place its objects and its
// configuration come from. Its methods are called from one goroutine, one at a
// time.
type Target interface {
	// Server returns the address (ip:port) that questions go to, UDP and TCP.
	Server() string

	// Configure makes files, key to content, the whole configuration. It
	// returns when the server has had the time to read it, also where the
	// server will refuse it.
	Configure(ctx context.Context, files map[string]string) error

	// Change creates or replaces the objects of apply, in this order, then
	// deletes what del names, and returns when the server has seen all of it.
	// Namespaces are made when missing. Deleting what is not there is no
	// error. The objects must not be changed: see Object.Clone.
	//
	// When a declared ClusterIP is not to be had, the Service is created with
	// another, and given maps the declared one to it; otherwise given may be
	// nil.
	Change(ctx context.Context, apply []Object, del []Ref) (given map[netip.Addr]netip.Addr, err error)
}
