// Package kube reads the objects that names depend on from the Kubernetes API. In kube-dns, only
// this package and its subpackages use client-go.
//
//	API server ─► follower: list, then watch ─► delta ─► writer ─► dns.Zone
//	                 one for Services,
//	                 one for endpoints
//
// A follower reduces every object to the few fields that package dns keeps before it reads the next
// one. Lists and watches thus need memory for one object more than is kept. Endpoints of all
// Services are kept, because a Service can become headless or arrive after its endpoints.
//
// Followers use package listwatch instead of client-go's Reflector, because /readiness, the log and
// the metrics show pending lists and the reason.
//
// A change missed by a watch would go unnoticed. So an auditor compares UIDs and versions with the
// server's every 15 to 30 minutes, and requests a relist if something was missed. After the end of
// a watch, the server's version is compared with ours.
//
// API server errors stop nothing here. They are counted, logged at most once a minute, kept in
// Status, and retried.
package kube
