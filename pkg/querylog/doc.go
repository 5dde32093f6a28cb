// Package querylog takes samples of the queries that a DNS server answers, and passes them to a
// table of the most frequent names and clients, to the log, and to readers of a stream.
//
// It is off until [Log.Start]. While it is off, a query costs one atomic load.
package querylog
