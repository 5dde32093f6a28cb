// Package sockets has the sockets that receive queries. They outlive each Corefile: a new Corefile
// only replaces the server that replies, so a change closes no connection and drops no packet.
package sockets
