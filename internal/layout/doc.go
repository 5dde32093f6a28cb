// Package layout holds no code, only a test of where code may live: who may
// import whom, which package a dependency is kept to, where the process may be
// ended, how long a file may be. `go test ./internal/layout` names each breach
// and the rule.
//
// Test files, and packages that consist of nothing else, may do as they like. The
// tables are in rules_test.go. A new package gets a row in mayImport.
package layout
