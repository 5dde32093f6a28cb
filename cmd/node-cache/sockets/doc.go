// Package sockets has the sockets that queries arrive at. They outlive each Corefile: a new one
// only replaces the server that replies, so a change closes no connection and drops no packet.
package sockets
