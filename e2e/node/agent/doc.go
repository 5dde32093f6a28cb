// Package agent is what runs in the pods of the node tests: an HTTP server that
// does, inside the pod, what a test wants to see done there.
//
//	GET  /          who answers: the pod's host name
//	GET  /ready     200, or 503 after POST /ready?ok=false: a readiness probe
//	GET  /ask       one DNS query, no search path: ?server=&name=&type=&tcp=
//	GET  /resolve   a look-up by the pod's own /etc/resolv.conf: ?name=
//	GET  /file      a file of the pod: ?path=/etc/resolv.conf
//	GET  /exec      a program of the image: ?arg=getent&arg=ahosts&arg=web
//	POST /load      begins a load (LoadOptions as JSON); DELETE ends it and
//	                gives the account (Account as JSON)
//
// Answers are JSON. The server is for tests alone: every client may run
// any program of the image.
package agent
