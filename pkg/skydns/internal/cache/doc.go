// Package cache keeps replies of upstreams by their question (RFC 1034 section 5.3.3).
//
//	question.go   which queries the cache answers, and their keys
//	filter.go     which records of a reply are kept, and for how long
//	entry.go      one reply, and copies of it for clients
//	cache.go      all replies, bounded in bytes
//
// A reply is used only for its own question. It has the records at the question's name and at the
// targets of its aliases. Its additional section is dropped (RFC 2181 section 5.4.1). Queries with
// different DO, CD or AD bits share no replies.
package cache
