package dnsmasq

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

const (
	// verifyTime is how long dnsmasq can take to list new servers, even with little CPU.
	verifyTime = 4 * time.Second
	// verifyPause is the time between two queries for the list.
	verifyPause = 50 * time.Millisecond
)

// Results of a verification, as labels.
const (
	resultConfirmed   = "confirmed"   // dnsmasq has the servers that it should have
	resultDifferent   = "different"   // it lacks some, or still has removed ones
	resultUnconfirmed = "unconfirmed" // it does not reply to that query
)

// An outcome is the result of comparing dnsmasq's list of servers.
type outcome struct {
	missing []netip.AddrPort // wanted, not listed
	left    []netip.AddrPort // removed, still listed
	listed  int              // number of wanted servers in the list
	err     error            // the list is not available
}

// result returns the label of o.
func (o outcome) result() string {
	switch {
	case o.err != nil:
		return resultUnconfirmed
	case len(o.missing)+len(o.left) > 0:
		return resultDifferent
	}
	return resultConfirmed
}

// verify queries the list of servers until it has those of want and none of gone, or verifyTime has
// passed. Other servers in the list do not matter.
func verify(
	ctx context.Context, query func(context.Context) ([]chaos.Server, error), want, gone []netip.AddrPort,
) outcome {
	deadline := time.Now().Add(verifyTime)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	last := outcome{err: errors.New("dnsmasq did not answer in time")}
	for pause.For(ctx, verifyPause) {
		o := compare(ctx, query, want, gone)
		if o.err == nil || last.err != nil {
			last = o // a reply counts more than a later query without one
		}
		_, refused := errors.AsType[*chaos.ReplyError](o.err)
		if refused || o.result() == resultConfirmed {
			break
		}
	}
	return last
}

// compare queries the list once.
func compare(
	ctx context.Context, query func(context.Context) ([]chaos.Server, error), want, gone []netip.AddrPort,
) outcome {
	servers, err := query(ctx)
	if err != nil {
		return outcome{err: err}
	}
	listed := make(map[netip.AddrPort]bool, len(servers))
	for _, s := range servers {
		listed[unscoped(s.Address)] = true
	}
	var o outcome
	for _, a := range want {
		if listed[unscoped(a)] {
			o.listed++
		} else {
			o.missing = append(o.missing, a)
		}
	}
	for _, a := range gone {
		if listed[unscoped(a)] {
			o.left = append(o.left, a)
		}
	}
	return o
}

// unscoped returns a without its scope, which can be a name or a number.
func unscoped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
