package conformance

import (
	"context"
	"net/netip"
)

// A Target is a server under test, with the source of its objects and its configuration.
// Its methods are called one at a time.
type Target interface {
	// Server returns the address (ip:port) that questions go to, UDP and TCP.
	Server() string

	// Configure makes files, key to content, the complete configuration. It returns after the
	// server has had time to read it, even if the server refuses it.
	Configure(ctx context.Context, files map[string]string) error

	// Change creates or replaces the objects of apply, in this order, and then deletes the objects
	// of del. It returns when the server has seen the change. It creates missing namespaces.
	// Deleting an absent object is no error. Change must not modify the objects: see Object.Clone.
	//
	// If a declared ClusterIP is not available, the Service gets another one, and given
	// maps the declared address to it. Otherwise given may be nil.
	Change(ctx context.Context, apply []Object, del []Ref) (given map[netip.Addr]netip.Addr, err error)
}
