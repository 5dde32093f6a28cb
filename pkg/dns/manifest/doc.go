// Package manifest feeds a zone from a directory of Kubernetes manifests instead of the Kubernetes
// API: the offline mode of kube-dns, for development, tests, and machines without an API server.
//
//	directory ─► tracker: which files changed ─► Decode: bytes ─► Objects, one value a file
//	                                                                  │
//	                    Zone ◄─ publish: what differs ◄─ merge: all files as one view
//
// The rules are those of kubectl apply -f DIR. It reads the direct children of the directory named
// *.yaml, *.yml or *.json. Links are followed, so a mounted ConfigMap works. Names that start with
// "." are skipped. A file is JSON if its name ends in .json, else YAML. YAML becomes JSON with the
// same lines. A file can hold several documents, and Lists. Services, Endpoints, EndpointSlices and
// Nodes are read; all other kinds are ignored.
//
// An unusable file is reported with its line, and its previous content remains in use. The other
// files are still followed. Deleting a file removes its objects. While there is no file, or a file
// was never usable, the zone is partial: it answers for the objects of the other files, and denies
// no name.
package manifest
