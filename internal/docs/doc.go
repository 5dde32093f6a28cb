// Package docs compares pages below docs/ with the commands that they describe. Only
// tests import it.
//
// A test of each command passes its flags and metrics. The test fails if the sections of
// the command in flags.md and metrics.md are stale. To write them:
//
//	go test ./cmd/... -run TestDocs -update
//
// A section is between two comments. The text around it is written by hand:
//
//	<!-- kube-dns: generated, do not edit -->
//	...
//	<!-- kube-dns: end -->
package docs
