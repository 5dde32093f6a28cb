// Package backend is the interface between the server of package skydns and the data of a zone: the
// server queries a [Backend], which returns records. It imports neither sockets nor a DNS library,
// so that an implementation needs neither.
package backend
