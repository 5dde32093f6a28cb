// Package dataset describes the clusters that the benchmark loads, the queries for them, and the
// same names as a static zone.
//
// e2e/cluster/load creates the objects and determines the names: Service svc-I in namespace svc-(I
// mod namespaces), headless Service headless-I in a namespace with the group's name as prefix.
package dataset
