// Package node tests the pod in a real cluster: on a real node, with a kubelet, containerd and
// kube-proxy, from the manifests that users apply, queried from other pods. Its tests need root and
// the build tag "node":
//
//	make e2e-cluster                  all of it, from the top of the repository
//	./run.sh -run TestNode/names      some of it
//
// run.sh builds the images and starts the node in its own network namespace. It runs the tests
// inside that namespace, so that they reach pods and Services directly. Then it stops everything,
// even after a failure.
package node
