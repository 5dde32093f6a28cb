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

// owner returns the name of a Service in a zone.
func (k Key) owner(zone string) string { return k.Name + "." + k.Namespace + ".svc." + zone }

// A Service is the part of a Kubernetes Service that names depend on. A source must not change it
// after passing it to the zone.
type Service struct {
	Key
	// Headless: spec.clusterIP is "None" and the type is not ExternalName.
	Headless bool
	// ClusterIPs are the addresses of a Service that is neither headless nor
	// an ExternalName: spec.clusterIPs, else spec.clusterIP.
	ClusterIPs []netip.Addr
	// ExternalName is spec.externalName of a Service of that type.
	ExternalName string
	// Ports are the named ports of spec.ports.
	Ports []Port
	// PublishNotReady: spec.publishNotReadyAddresses, or the annotation
	// service.alpha.kubernetes.io/tolerate-unready-endpoints: "true".
	PublishNotReady bool
	// Version is metadata.resourceVersion; UID is metadata.uid.
	Version, UID string
}

// A Port is a named port.
type Port struct {
	// Name and Protocol are in lower case, without underscores ("http", "tcp"). Sources drop ports
	// without a name.
	Name, Protocol string
	Number         uint16
}

// Endpoints is one EndpointSlice, or one Endpoints object, of a Service. A Service can have
// several.
type Endpoints struct {
	// Key names the object itself.
	Key
	// Service is the name of its Service, in the same namespace: the label
	// kubernetes.io/service-name of a slice, the name of an Endpoints object.
	Service string
	// Subsets holds endpoints with the ports they share. A slice has one subset.
	Subsets []Subset
	// AnyReady: at least one endpoint is ready. Federation needs it.
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
	// Hostname is the endpoint's own label, in lower case; can be empty.
	Hostname string
	Ready    bool
}

// An ObjectVersion is the state of an object in the API.
type ObjectVersion struct {
	// UID is metadata.uid; Version is metadata.resourceVersion.
	UID, Version string
}

// A Location is the location of a node: its labels topology.kubernetes.io/zone and .../region, or
// the older failure-domain.beta.kubernetes.io labels. Federation names contain it.
type Location struct {
	Zone, Region string
}

// sameService reports whether a and b have the same names.
func sameService(a, b *Service) bool {
	return a.Key == b.Key && a.Headless == b.Headless && a.ExternalName == b.ExternalName &&
		a.PublishNotReady == b.PublishNotReady &&
		slices.Equal(a.ClusterIPs, b.ClusterIPs) && slices.Equal(a.Ports, b.Ports)
}

// owner returns the key of the Service that the endpoints belong to.
func (e *Endpoints) owner() Key { return Key{e.Namespace, e.Service} }

// sameEndpoints reports whether a and b have the same names.
func sameEndpoints(a, b *Endpoints) bool {
	return a.AnyReady == b.AnyReady && slices.EqualFunc(a.Subsets, b.Subsets, func(a, b Subset) bool {
		return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
	})
}
