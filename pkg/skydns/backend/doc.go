// Package backend is what the server of package skydns and the data of a zone agree
// on: the server asks a [Backend], which returns records. It imports neither sockets
// nor a DNS library, so that an implementation needs neither.
package backend
