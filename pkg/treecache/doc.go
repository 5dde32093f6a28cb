// Package treecache is a tree of DNS names over immutable values, for one
// writer and any number of readers.
//
// A [Tree] holds the names of one zone. Labels connect its nodes, read from the right as DNS reads
// them; any node can have a value. Values are shared with every reader and must never change. A
// write replaces the value of a node in one atomic store.
//
// # Concurrency
//
// One goroutine writes (Set, Replace, Delete). Any number of goroutines read (Lookup, Match,
// Node.Value, Node.Children) at the same time, without locks and waits. A reader sees each node's
// value as of some moment of its call. The cost of a write depends on the name's depth, not on the
// number of names.
package treecache
