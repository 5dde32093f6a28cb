// Package cache keeps replies of upstreams by their question (RFC 1034 section 5.3.3).
//
//	question.go   the queries that the cache answers, and their keys
//	filter.go     the records of a reply to keep, and their validity
//	entry.go      one reply, and copies of it for clients
//	cache.go      all replies, bounded in bytes
//
// A reply is used only for its own question. It has the records at the question's name and at the
// targets of its aliases. Its additional section is dropped (RFC 2181 section 5.4.1). Queries with
// different DO, CD or AD bits share no replies.
package cache
