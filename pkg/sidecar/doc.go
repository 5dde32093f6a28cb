// Package sidecar watches over the DNS servers of a pod.
//
//	DNS server ◄── probe ──► state ──► /healthcheck/<label>
//	                             └───► metrics
//	dnsmasq    ◄── exporter ──► metrics
//
// A [Server] runs any number of probes and one exporter, and answers HTTP. Each probe repeatedly
// sends one query to one DNS server, and keeps the result. A name server is ok if it replies with a
// record. It is not ready if it reports that it waits for its data (RFC 8914, Extended DNS Error
// 14). Every other result is failed. The platform uses these states to decide about restarts, so
// they must be true: a server that waits is not one that hangs.
//
// The exporter reads dnsmasq's counters and turns them into Prometheus counters. These never
// decrease, even though dnsmasq's do at a restart and at every reload.
package sidecar
