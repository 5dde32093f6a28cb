// Package treecache is a tree of DNS names over immutable values, for one
// writer and any number of readers.
//
// A [Tree] holds the names of one zone. Its nodes hang together by labels,
// read from the right as DNS reads them; any node may carry a value. Values
// are shared with every reader and must never change: what changes is which
// value a node carries, and that is one atomic store.
//
// # Concurrency
//
// One goroutine writes (Set, Replace, Delete). Any number of goroutines read (Lookup,
// Match, Node.Value, Node.Children) at the same time; they take no lock and never wait.
// A reader sees each node's value as it was at some moment of its call. What a
// write costs depends on the name's depth, not on the number of names.
package treecache
