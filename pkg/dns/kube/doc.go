// Package kube reads the objects that names follow from out of the Kubernetes
// API. It is the only home of client-go.
//
//	API server ─► follower: list, then watch ─► delta ─► writer ─► dns.Zone
//	                 one for Services,
//	                 one for endpoints
//
// A follower turns every object into the few fields that package dns keeps
// before it reads the next one, so the peak of memory is one object above what
// is kept, in lists and in watches. Endpoints of all Services are kept: a Service
// may become headless, and may come after its endpoints.
//
// It follows objects with package listwatch instead of client-go's Reflector. What is waited
// for, and why, is needed for /readiness, the log and the metrics.
//
// A watch that missed a change would be a bug that shows nowhere. So an auditor
// compares UIDs and versions with those of the server every 15 to 30 minutes,
// and has a kind listed again when something was missed; and after a watch has
// ended the server's version is compared with ours.
//
// No error of the API server ends anything here: it is counted, logged at most
// once a minute, kept in Status, and tried again.
package kube
