// Package hostnet changes the network of the agent's node: a link with the addresses that pods
// query, and packet rules that direct queries for a ClusterIP to it.
//
// The rules are the switch between the agent and kube-dns. They must not outlive the agent. With
// nftables they are in a table that the kernel deletes with the process (owner flag). They match
// addresses in sets that expire without renewal. Older kernels need the programs iptables and
// ip6tables. Those rules match only while the address is local, and the addresses have a lifetime.
package hostnet
