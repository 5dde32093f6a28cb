// Package node tests the pod as a cluster runs it: on a real node, with a
// kubelet, containerd and kube-proxy, from the manifests that users apply, asked
// from other pods. Its tests need root and the build tag "node":
//
//	make e2e-cluster                  all of it, from the top of the repository
//	./run.sh -run TestNode/names      some of it
//
// run.sh makes the images, starts the node in a network namespace of its own,
// runs the tests inside that namespace, so that they reach pods and Services
// directly, and takes everything down, however the tests end.
package node
