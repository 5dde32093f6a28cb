// Package convert translates Kubernetes API types into the objects of package dns: the few fields
// that names depend on, parsed once. Package kube (the API server) and package manifest (files)
// share it. All functions are pure and keep no pointer to their argument, so the large API object
// can be collected.
//
// The rules follow the Kubernetes DNS specification, version 1.1.0
// (https://github.com/kubernetes/dns/blob/master/docs/specification.md).
package convert
