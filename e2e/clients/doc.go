// Package clients tests the pod with common DNS clients: the resolvers of glibc, musl, Go, c-ares
// and Java, and nginx, HAProxy, unbound and node-cache. Each client runs unchanged in a network and
// mount namespace. There 127.0.0.1:53 is the pod and /etc/resolv.conf has the search list of a
// kubelet.
//
//	make clients                                      from the top of the repository
//	go -C e2e test -v ./clients -run 'TestClients/musl'   some of it
//
// It needs root for the namespaces, and programs: `make clients` lists missing ones.
package clients
