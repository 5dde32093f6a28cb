// Package hostnet is the node's network as node-cache needs it: a link with the local
// addresses, and packet rules that keep queries for them on the node.
//
// The rules are the switch between the agent and kube-dns. With them a query for the
// address of the Service is not translated, and reaches the agent. Without them
// kube-proxy sends it to kube-dns. So they must go when the agent cannot answer, also when
// it was killed: they are in an nftables table that the kernel removes with the process,
// and they hold for addresses of a set whose elements end after seconds.
package hostnet
