package sidecar

import "time"

// A DnsmasqState is the outcome of the last poll of dnsmasq.
type DnsmasqState struct {
	Polled    bool      // false: no poll is done yet
	Err       string    // of the last poll; empty when it succeeded
	Since     time.Time // when polls began to succeed, or to fail
	CacheSize uint64    // how many entries dnsmasq's cache can hold
}

// next returns the state after one more poll, at now.
func (d DnsmasqState) next(cacheSize uint64, err error, now time.Time) *DnsmasqState {
	n := DnsmasqState{Polled: true, Since: d.Since, CacheSize: d.CacheSize}
	if err != nil {
		n.Err = err.Error()
	} else {
		n.CacheSize = cacheSize
	}
	if !d.Polled || (n.Err == "") != (d.Err == "") {
		n.Since = now
	}
	return &n
}
