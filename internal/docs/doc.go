// Package docs compares the reference pages docs/flags.md and docs/metrics.md
// with the commands that they describe. Only tests import it.
//
// Each command has a test that hands over its flags and what it measures. The
// test fails when the command's section of a page is stale, and writes it anew
// with
//
//	go test ./cmd/... -run TestDocs -update
//
// A section stands between two comments; the text around it is written by hand:
//
//	<!-- kube-dns: generated, do not edit -->
//	...
//	<!-- kube-dns: end -->
package docs
