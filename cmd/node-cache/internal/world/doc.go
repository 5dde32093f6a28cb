// Package world makes a node for tests: network namespaces for a pod, the node, and the
// pod of kube-dns, with what kube-proxy does in each of its modes.
package world
