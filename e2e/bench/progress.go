package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/peer"
)

// A progress prints the finished steps and the estimated time of the rest.
type progress struct {
	start time.Time
	total time.Duration
}

func (p *progress) estimate(total time.Duration) {
	p.total = total
	p.step("measuring; about %s in all", total.Round(time.Minute))
}

func (p *progress) step(format string, args ...any) {
	left := ""
	if rest := p.total - time.Since(p.start); rest > time.Minute {
		left = fmt.Sprintf(" (about %d min left)", int(rest.Minutes())+1)
	}
	fmt.Fprintf(os.Stderr, "%s %s%s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...), left)
}

// plan estimates the time of the run from typical times of its parts.
func (b *bench) plan() time.Duration {
	seconds := 0.0
	for set := range strings.SplitSeq(b.sets, ",") {
		if set != "" {
			seconds += 30 // the cluster
			for _, p := range b.chosen() {
				seconds += b.planPeer(p)
			}
		}
	}
	if b.has("grow") {
		seconds += 8 * 60
	}
	return time.Duration(seconds) * time.Second
}

func (b *bench) planPeer(p peer.Peer) float64 {
	seconds := 0.0
	if b.has("mixes") {
		mixes := 9.0
		if p.Pod {
			mixes = 4
		}
		visit := mixes*(1.3*b.seconds+.4) + 3*b.seconds + 1
		if p.Follows {
			visit += b.settle + 2
		}
		seconds += float64(b.turns) * visit
	}
	if b.has("changes") && p.Follows {
		seconds += 35
	}
	return seconds
}
