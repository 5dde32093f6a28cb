// Package conformance holds the conformance vectors of the DNS side of
// kube-dns, and plays them against a server.
//
// A vector is a question and the reply it has to get, given a set of
// Kubernetes objects. The vectors are YAML files in testdata, which
// testdata/README.md describes; they know nothing about how a server is built.
//
//	Vectors ─► File ─► Suite.Run ─┬─► Target.Configure, Target.Change   (the set-up of each step)
//	                              ├─► Resolver.Set                      (what is "outside")
//	                              └─► Ask ─► Query.Check                (each question, again until it is right)
//
// A [Target] is a server with the place its objects come from: a directory of
// manifests ([ManifestTarget]), or an API server (the end-to-end tests bring
// their own). Objects stay plain maps ([Object]), so that each Target can send
// them on as they are.
//
// Only tests import this package.
package conformance
