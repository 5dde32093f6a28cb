// Package agent runs in the pods of the node tests: an HTTP server that runs actions of a test
// inside the pod.
//
//	GET  /          the pod's host name
//	GET  /ready     200, or 503 after POST /ready?ok=false: a readiness probe
//	GET  /ask       one DNS query, no search path: ?server=&name=&type=&tcp=
//	GET  /resolve   a look-up by the pod's own /etc/resolv.conf: ?name=
//	GET  /file      a file of the pod: ?path=/etc/resolv.conf
//	GET  /exec      a program of the image: ?arg=getent&arg=ahosts&arg=web
//	POST /load      starts a load (LoadOptions as JSON); DELETE stops it and
//	                returns the account (Account as JSON)
//
// Replies are JSON. The server is only for tests: every client can run any program of the image.
package agent
