// Package dnstest helps tests that speak DNS: a server on a free loopback port, a
// client, and comparison of records as zone text. Only tests import it.
package dnstest
