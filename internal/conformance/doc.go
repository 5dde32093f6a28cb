// Package conformance has the conformance vectors of the DNS side of kube-dns, and runs
// them against a server.
//
// A vector is a question and the expected reply, given a set of Kubernetes objects. The
// vectors are YAML files in testdata, which testdata/README.md describes. They depend on
// no implementation.
//
//	Vectors ─► File ─► Suite.Run ─┬─► Target.Configure, Target.Change   (the set-up of a step)
//	                              ├─► Resolver.Set                      (names outside)
//	                              └─► Ask ─► Query.Check                (each question, until right)
//
// A [Target] is a server with the source of its objects. The source is a directory of manifests in
// the tests of this package, an API server in the end-to-end tests, and kubectl in the command
// conformance. Objects are plain maps ([Object]), so that each Target can pass them on unchanged.
package conformance
