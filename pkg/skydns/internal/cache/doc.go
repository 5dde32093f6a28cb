// Package cache keeps replies of upstreams by their question (RFC 1034 section 5.3.3).
//
//	question.go   which queries the cache answers, and their keys
//	filter.go     which records of a reply are kept, and for how long
//	entry.go      one reply, and copies of it for clients
//	cache.go      all of them, bounded in bytes
//
// A reply is used for its own question alone. It has the records at the question's name and
// at the names that its aliases lead to. Nothing from its additional section is kept (RFC
// 2181 section 5.4.1), and queries with different DO, CD or AD bits share nothing.
package cache
