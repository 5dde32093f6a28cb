package dnsmasq

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
)

const (
	// verifyTime is how long dnsmasq may take to list new servers.
	verifyTime = 2 * time.Second
	// verifyPause lies between two questions.
	verifyPause = 50 * time.Millisecond
	// alarmTime is how long at least we listen for complaints in dnsmasq's log.
	alarmTime = 100 * time.Millisecond
)

// A verdict says whether dnsmasq has taken a list of servers.
type verdict int

const (
	confirmed   verdict = iota // all of them are there
	absent                     // dnsmasq answers, and has none of the new ones
	unconfirmed                // it cannot be told, or some are missing
)

func (v verdict) String() string {
	return [...]string{"confirmed", "absent", "unconfirmed"}[v]
}

// An outcome is a verdict with its reasons.
type outcome struct {
	verdict verdict
	missing []netip.AddrPort // wanted but not listed
	servers []ServerStats    // the last list
	err     error            // why there was none
}

// verify asks for dnsmasq's list of servers until all of want are in it or
// verifyTime has passed. fresh are those of want that were not there before.
// Being listed is what counts; other servers in the list do not matter. When
// ctx is done it is unconfirmed.
func verify(ctx context.Context, query func(context.Context) ([]ServerStats, error), want, fresh []netip.AddrPort) outcome {
	deadline := time.Now().Add(verifyTime)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	last := outcome{verdict: unconfirmed, err: errors.New("dnsmasq was not asked in time")}
	pause := alarmTime
	for {
		select {
		case <-ctx.Done():
			return last
		case <-time.After(pause):
		}
		pause = verifyPause
		o := judge(ctx, query, want, fresh)
		if o.err != nil && !time.Now().Before(deadline) {
			return last // cut off: the answer before counts
		}
		last = o
		if last.verdict == confirmed {
			return last
		}
		if _, answered := errors.AsType[*ReplyError](last.err); answered {
			return last // it will say so every time
		}
	}
}

// judge asks once.
func judge(ctx context.Context, query func(context.Context) ([]ServerStats, error), want, fresh []netip.AddrPort) outcome {
	servers, err := query(ctx)
	if err != nil {
		return outcome{verdict: unconfirmed, missing: want, err: err}
	}
	listed := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(servers, func(s ServerStats) bool { return unscoped(s.Address) == unscoped(a) })
	}
	o := outcome{verdict: unconfirmed, missing: slices.DeleteFunc(slices.Clone(want), listed), servers: servers}
	switch {
	case len(o.missing) == 0:
		o.verdict = confirmed
	case len(fresh) > 0 && !slices.ContainsFunc(fresh, listed):
		o.verdict = absent
	}
	return o
}

// unscoped is a without its scope, which can be written as a name and as a
// number.
func unscoped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
