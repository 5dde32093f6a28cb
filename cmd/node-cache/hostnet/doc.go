// Package hostnet is what the agent does to the network of its node: a link with the
// addresses that pods ask, and packet rules that bring queries for a ClusterIP to it.
//
// The rules are the switch between the agent and kube-dns. They must not outlive the
// agent. With nftables they are in a table that the kernel deletes with the process
// (owner flag), and they match addresses in sets that time out without renewal.
// On kernels without that, they are made with the programs iptables and ip6tables. They
// then match only while the address is local, and the addresses have a lifetime.
package hostnet
