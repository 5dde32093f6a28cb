package hostnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	mdnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/pause"
)

const (
	// rulesPeriod is the time between checks of rules that programs add.
	rulesPeriod = 10 * time.Second
	// settle limits the rate of checks when many links change.
	settle = 100 * time.Millisecond
)

// Run restores missing links, addresses and iptables rules, until ctx is done. It passes on the
// result of each check of the link and of the rules, also nil.
func (n *Network) Run(ctx context.Context, link, rules func(error)) error {
	var group errgroup.Group
	group.Go(func() error {
		n.keepRules(ctx, rules)
		return nil
	})
	if n.link != nil {
		socket, err := mdnetlink.Dial(unix.NETLINK_ROUTE, &mdnetlink.Config{
			Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
		})
		if err != nil {
			link(&Error{Kind: KindInterfaceCheck, Err: fmt.Errorf("listen to changes of links: %w", err)})
		}
		changes := make(chan struct{}, 1)
		if socket != nil {
			defer context.AfterFunc(ctx, func() { socket.Close() })()
			group.Go(func() error { return watch(ctx, socket, changes) })
		}
		n.keepLink(ctx, changes, link)
	}
	return group.Wait()
}

// watch sends to changes when links or addresses change, until socket is closed.
func watch(ctx context.Context, socket *mdnetlink.Conn, changes chan<- struct{}) error {
	for {
		_, err := socket.Receive()
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return nil
		}
		// An error means that messages were lost.
		select {
		case changes <- struct{}{}:
		default:
		}
		if err != nil {
			pause.For(ctx, settle)
		}
	}
}

func (n *Network) keepLink(ctx context.Context, changes <-chan struct{}, report func(error)) {
	ticker := time.NewTicker(n.period(keepPeriod))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-ticker.C:
		}
		_, err := n.link.ensure()
		report(err)
		pause.For(ctx, settle)
	}
}

func (n *Network) keepRules(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(n.period(rulesPeriod))
	defer ticker.Stop()
	for {
		report(n.checkRules())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// period returns the time between checks: usual, or -syncinterval.
func (n *Network) period(usual time.Duration) time.Duration {
	if n.cfg.Interval > 0 {
		return min(usual, n.cfg.Interval)
	}
	return usual
}
