// Package coredns runs the CoreDNS library: it starts a Corefile, replaces it on the
// same sockets, and stops it.
//
// CoreDNS has one state for the process: the names of its plugins, the default port
// and its metrics. A process therefore runs one [Server] at a time.
package coredns
