// Package layout has no code, only a test for the structure of the module: allowed imports, the
// packages for a dependency, exits of the process, and the length of files. `go test
// ./internal/layout` reports each breach and the rule.
//
// The rules do not apply to test files, or to packages with only test files. The tables are in
// rules_test.go. A new package gets a row in mayImport.
package layout
