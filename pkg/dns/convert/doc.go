// Package convert translates Kubernetes API types into the objects of package
// dns: the few fields that names depend on, parsed once. It is shared by the
// sources that read API types, from the API server (package kube) and from
// files (package manifest). All functions are pure; they never keep a pointer
// to what they were given, so that the large API object can be collected.
//
// The rules follow the Kubernetes DNS specification, version 1.1.0
// (https://github.com/kubernetes/dns/blob/master/docs/specification.md).
package convert
