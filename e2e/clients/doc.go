// Package clients tests the pod with DNS clients that people use: the resolvers
// of glibc, musl, Go, c-ares and Java, and nginx, HAProxy, unbound and node-cache. Each
// client runs unchanged in a network and mount namespace where 127.0.0.1:53 is
// the pod and /etc/resolv.conf has the search list that a kubelet writes.
//
//	make clients                                      from the top of the repository
//	go -C e2e test -v ./clients -run 'TestClients/musl'   some of it
//
// It needs root for the namespaces, and the programs that `make clients` names
// when they are missing.
package clients
