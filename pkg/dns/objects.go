package dns

import (
	"net/netip"
	"slices"
)

// A Key names a Kubernetes object of one kind.
type Key struct {
	Namespace, Name string
}

// String returns namespace/name, the form that kubectl prints.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// owner is the name of a Service in a zone.
func (k Key) owner(zone string) string { return k.Name + "." + k.Namespace + ".svc." + zone }

// A Service is the part of a Kubernetes Service that names depend on. The
// sources make it; the zone keeps it. It must not change after it was handed
// over.
type Service struct {
	Key
	// Headless: spec.clusterIP is "None" and the type is not ExternalName.
	Headless bool
	// ClusterIPs are the addresses of a Service that is neither headless nor
	// an ExternalName: spec.clusterIPs, else spec.clusterIP.
	ClusterIPs []netip.Addr
	// ExternalName is spec.externalName of a Service of that type.
	ExternalName string
	// Ports are the ports of spec.ports that have a name.
	Ports []Port
	// PublishNotReady: spec.publishNotReadyAddresses, or the annotation
	// service.alpha.kubernetes.io/tolerate-unready-endpoints: "true".
	PublishNotReady bool
	// Version is metadata.resourceVersion; UID is metadata.uid.
	Version, UID string
}

// A Port is a named port.
type Port struct {
	// Name and Protocol are in lower case, without underscores ("http",
	// "tcp"). Ports without a name are left out at the door.
	Name, Protocol string
	Number         uint16
}

// Endpoints is one EndpointSlice, or one Endpoints object, of a Service. A
// Service may have many.
type Endpoints struct {
	// Key names the object itself.
	Key
	// Service is the name of its Service, in the same namespace: the label
	// kubernetes.io/service-name of a slice, the name of an Endpoints object.
	Service string
	// Subsets holds endpoints with the ports they share. A slice has one.
	Subsets []Subset
	// AnyReady: at least one endpoint is ready. Federation asks for it.
	AnyReady bool
	// Version is metadata.resourceVersion; UID is metadata.uid.
	Version, UID string
}

// A Subset is a set of endpoints that share ports.
type Subset struct {
	Ports     []Port
	Endpoints []Endpoint
}

// An Endpoint is one address of a Service.
type Endpoint struct {
	Addr netip.Addr
	// Hostname is the endpoint's own label, in lower case; may be empty.
	Hostname string
	Ready    bool
}

// An ObjectVersion is the state of an object in the API.
type ObjectVersion struct {
	// UID is metadata.uid; Version is metadata.resourceVersion.
	UID, Version string
}

// A Location is where a node runs: the values of its labels
// topology.kubernetes.io/zone and .../region, or of the older
// failure-domain.beta.kubernetes.io ones. Federation names are made of it.
type Location struct {
	Zone, Region string
}

// sameService reports whether the same names follow from both.
func sameService(a, b *Service) bool {
	return a.Key == b.Key && a.Headless == b.Headless && a.ExternalName == b.ExternalName &&
		a.PublishNotReady == b.PublishNotReady &&
		slices.Equal(a.ClusterIPs, b.ClusterIPs) && slices.Equal(a.Ports, b.Ports)
}

// owner is the key of the Service that the endpoints belong to.
func (e *Endpoints) owner() Key { return Key{e.Namespace, e.Service} }

// sameEndpoints reports whether the same names follow from both.
func sameEndpoints(a, b *Endpoints) bool {
	return a.AnyReady == b.AnyReady && slices.EqualFunc(a.Subsets, b.Subsets, func(a, b Subset) bool {
		return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
	})
}
