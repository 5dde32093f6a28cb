// Package kube reads the objects that names follow from out of the Kubernetes
// API. It is the only home of client-go.
//
//	API server ─► follower: list, then watch ─► delta ─► writer ─► dns.Zone
//	                 one for Services,             │        │
//	                 one for endpoints             │        ▼ headless, but its endpoints were dropped
//	                                               └─ fetcher: a list limited to that Service
//
// A follower turns every object into the few fields that package dns keeps
// before it takes the next one, so the peak of memory is one page of a list, or
// one event where the server streams its lists. Endpoints of Services that are
// not headless are dropped on the way; when such a Service becomes headless,
// the writer asks for them again.
//
// It follows objects with a loop of its own instead of client-go's Reflector.
// The Reflector holds all pages of a list at once, cannot be told that a server
// ignores streaming, waits out its back-off before it stops, and reports only
// some of its errors; how long we wait for what, and why, is what /readiness
// has to say.
//
// A watch that missed a change would be the bug that nobody sees. So an auditor
// compares UIDs and versions with those of the server every 15 to 30 minutes,
// and has a kind listed again of which something was missed.
//
// No error of the API server ends anything here: it is counted, logged at most
// once a minute, told in Status, and tried again.
package kube
