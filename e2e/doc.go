// Package e2e tests the three commands end to end: as processes, against a real etcd,
// kube-apiserver and kube-controller-manager, queried through a real dnsmasq. Everything runs on
// loopback addresses and free ports; the machine needs dnsmasq, openssl and curl, not root.
//
//	./run.sh                       all of it
//	./run.sh -run TestDNSMasq      some of it
//
// The test binary runs twice. The first process supervises: it builds the binaries, starts the
// control plane (cluster/up.sh), and runs itself again with the tests. Then it stops everything,
// also after a panic, a timeout or Ctrl-C. A process that outlives its test is an error.
package e2e
