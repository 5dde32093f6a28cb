// Package manifest feeds a zone from a directory of Kubernetes manifests
// instead of the Kubernetes API: the offline mode of kube-dns, for development,
// tests, and machines without an API server.
//
//	directory ─► tracker: which files changed ─► Decode: bytes ─► Objects, one value a file
//	                                                                  │
//	                    Zone ◄─ publish: what differs ◄─ merge: all files as one view
//
// What counts is as with kubectl apply -f DIR: the direct children of the
// directory named *.yaml, *.yml or *.json; links are followed, so a mounted
// ConfigMap works, and names that begin with "." are skipped. A file is JSON if its name
// ends in .json, and YAML else; YAML becomes JSON with the same lines. A file may hold
// several documents, and Lists. Services, Endpoints, EndpointSlices and Nodes
// are read, every other kind is ignored.
//
// A file that cannot be used is reported with its line, and its previous content
// stays; the other files are followed as ever. A deleted file takes its objects
// with it. While there is no file, or one of them was never usable, the zone is
// partial: it answers for the objects of the other files, and denies no name.
package manifest
