// Package dns is the pure core of kube-dns: it turns Services and their
// endpoints into the names of the cluster's zone, as the Kubernetes DNS-based
// service discovery specification 1.1.0 has them.
//
//	objects ─► Zone (one writer) ─► build(service, endpoints) ─► service, immutable ─► tree of names
//	                                                                  ▲
//	                                    reverse index: address ───────┘
//
// All names of a Service follow from one value of type service. A pure function
// makes it, and it is replaced whole. The reverse index holds only the Services that
// may claim an address. The answer is read from their values, so names and reverse
// names cannot contradict each other.
//
// The files, from the objects to the answers: objects, writer, service with addrs,
// ports and members, publish with reverse and prefixes, names, answer with records and
// targets, fast, and zone for the whole. dump and export write the zone out.
//
// The package imports no Kubernetes client and no sockets. Sources (packages
// kube and manifest) write to a [Zone]; the server (package skydns) reads from
// it through the methods of backend.Backend.
package dns
