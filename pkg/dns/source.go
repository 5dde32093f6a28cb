package dns

import "context"

// A Source feeds a Zone with objects: the Kubernetes API (package kube) or a
// directory of manifests (package manifest).
type Source interface {
	// Run calls the zone's writing methods, all from one goroutine, until ctx
	// is done, and calls Zone.MarkSynced once its first full list is
	// published. It returns nil when ctx is done. Trouble with the source is
	// logged and tried again, never returned: an error means that it could
	// not work at all.
	Run(ctx context.Context, z *Zone) error
}
