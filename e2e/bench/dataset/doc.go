// Package dataset describes the clusters that the benchmark loads, the queries for them, and
// the same names as a static zone.
//
// The objects are made by e2e/cluster/load, so the names here are its names:
// Service svc-I in namespace svc-(I mod namespaces), headless Service
// headless-I in a namespace that begins with the group's name.
package dataset
