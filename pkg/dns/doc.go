// Package dns is the pure core of kube-dns: it turns Services and their
// endpoints into the names of the cluster's zone, as the Kubernetes DNS-based
// service discovery specification 1.1.0 has them.
//
//	objects ─► Zone (one writer) ─► build(service, endpoints) ─► service, immutable ─► tree of names
//	                                                                  ▲
//	                                    reverse index: address ───────┘
//
// Everything that is said about a Service follows from one value of type
// service, which is made by a pure function and replaced whole. The reverse
// index says only which Services may know an address; the answer is read from
// their values, so names and reverse names can not contradict each other.
//
// The package imports no Kubernetes client and no sockets. Sources (packages
// kube and manifest) write to a [Zone]; the server (package skydns) reads from
// it through the methods of backend.Backend.
package dns
