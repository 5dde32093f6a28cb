// Package sidecar watches over the DNS servers of a pod.
//
//	DNS server ◄── probe ──► state ──► /healthcheck/<label>
//	                             └───► metrics
//	dnsmasq    ◄── exporter ──► metrics
//
// A [Server] runs any number of probes and one exporter, and answers HTTP. Each
// probe asks one DNS server one question, again and again, and keeps the result:
// a name server is ok when it answers with a record, not ready when it reports
// that it waits for its data (RFC 8914, Extended DNS Error 14),
// and failed otherwise. The platform uses these states to decide what to
// restart, so they must be true: a server that waits is not one that hangs.
//
// The exporter asks dnsmasq for its counters and turns them into Prometheus
// counters, which never go back even though dnsmasq's own do, at a restart and
// at every reload.
package sidecar
