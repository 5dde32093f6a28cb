//go:build api116

package main

// policyKinds is empty before 1.21.
var policyKinds map[string]func() any
