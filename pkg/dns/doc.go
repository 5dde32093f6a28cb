// Package dns is the pure core of kube-dns: it turns Services and their endpoints into the names of
// the cluster's zone, as the Kubernetes DNS-based service discovery specification 1.1.0 defines
// them.
//
//	objects ─► Zone (one writer) ─► build(service, endpoints) ─► service, immutable ─► tree of names
//	                                                                  ▲
//	                                    reverse index: address ───────┘
//
// All names of a Service come from one value of type service. A pure function builds it, and every
// change replaces it. The reverse index holds only the Services that may claim an address. Reverse
// names are read from their values, so names and reverse names cannot contradict each other.
//
// The files, in the order of the data flow: objects, writer, service with addrs, ports and members,
// publish with reverse and prefixes, names, answer with records and targets, fast, and zone, which
// combines them. dump and export write the zone.
//
// The package imports no Kubernetes client and no sockets. Sources (packages kube and manifest)
// write to a [Zone]. The server (package skydns) reads from it through the methods of
// backend.Backend.
package dns
