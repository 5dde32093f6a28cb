// Package world makes a node for tests: network namespaces for a pod, the node, and the pod of
// kube-dns, with the rules of each kube-proxy mode.
package world
