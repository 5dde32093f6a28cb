//go:build chaos

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A harm is done to a fleet of two pods. Each of its alerts must fire during the harm. The alerts
// in also can fire as a consequence.
type harm struct {
	name        string
	do          func(*alertRun, *testing.T) (undo func())
	fires, also []string
}

// harms run in sequence. They trigger the alerts that take minutes at most, see hurry.
var harms = []harm{
	{
		name: "ConfigMaps that loop and differ, a dead dnsmasq", do: (*alertRun).configLoops,
		fires: []string{
			"KubeDNSConfigDiffers", "KubeDNSConfigPending", "KubeDNSDnsmasqDied", "KubeDNSStubServerUnresolved",
			"KubeDNSUpstreamLoop",
		},
	},
	{
		name: "a refused ConfigMap, no slices, no disk, slow replies, many names", do: (*alertRun).configRefused,
		fires: []string{
			"KubeDNSCacheTooSmall", "KubeDNSConfigRefused", "KubeDNSEndpointsFallback", "KubeDNSLastGoodConfig",
			"KubeDNSLatencyHigh", "KubeDNSSnapshotNotWritten",
		},
		also: []string{"KubeDNSConfigDiffers"},
	},
	{
		name: "API server away at a start", do: (*alertRun).apiAway,
		fires: []string{
			"KubeDNSNoData", "KubeDNSSnapshotOld", "KubeDNSStaleAnswers", "KubeDNSWatchLost", "KubeDNSWatchLostEverywhere",
		},
		also: []string{
			"KubeDNSProbeFails", "KubeDNSProbesFailEverywhere", "KubeDNSErrorsHigh", "KubeDNSUpstreamFails",
			"KubeDNSZoneDiffers",
		},
	},
	{
		name: "upstreams reply SERVFAIL, a wrong token, idle TCP clients", do: (*alertRun).upstreamsFail,
		fires: []string{
			"KubeDNSAPIAccessBroken", "KubeDNSTCPRefused", "KubeDNSUpstreamFails", "KubeDNSUpstreamsFail",
		},
		also: []string{"KubeDNSErrorsHigh", "KubeDNSStaleAnswers", "KubeDNSWatchLost", "KubeDNSZoneDiffers"},
	},
	{
		name: "upstreams silent", do: (*alertRun).upstreamsSilent,
		fires: []string{
			"KubeDNSDnsmasqOverload", "KubeDNSErrorsHigh", "KubeDNSOverload", "KubeDNSUpstreamDown",
		},
		also: []string{"KubeDNSProbeFails", "KubeDNSUpstreamFails", "KubeDNSUpstreamsFail"},
	},
	{
		name: "both kube-dns and a dnsmasq hang", do: (*alertRun).processesHang,
		fires: []string{
			"KubeDNSAbsent", "KubeDNSCountersUnreadable", "KubeDNSDnsmasqDown", "KubeDNSProbeFails",
			"KubeDNSProbesFailEverywhere", "KubeDNSTargetDown",
		},
		also: []string{"KubeDNSUpstreamFails", "KubeDNSWatchLost"},
	},
	{
		name: "one kube-dns ended, the other one busy", do: (*alertRun).oneLeft,
		fires: []string{"KubeDNSOneReplica", "KubeDNSReceiveDrops"},
		also:  []string{"KubeDNSOverload", "KubeDNSProbeFails", "KubeDNSTargetDown", "KubeDNSUpstreamFails"},
	},
}

// unprovoked are the alerts without a harm, with the reason. promtool tests them.
var unprovoked = map[string]string{
	"KubeDNSMemoryNearLimit": "the metrics are those of the kubelet and of kube-state-metrics",
	"KubeDNSPanic":           "no bug is known",
	"KubeDNSPublishSlow":     "takes a machine that is short of CPU for minutes",
}

const (
	// fireLimit is longer than any alert takes to fire, clearLimit than any takes to clear: the
	// longest range of a rule is an hour.
	fireLimit  = 150 * time.Second
	clearLimit = time.Hour/hurry + time.Minute
)

// TestAlerts harms a fleet of two pods that a real Prometheus scrapes. Each alert must fire during
// its harm and clear afterwards. A second fleet has the lasting harms at the same time: their
// number is the one after the last of harms. In a third fleet, without harm, no alert may fire.
//
//	go test -tags chaos -timeout 20m -run TestAlerts -v .
//	go test -tags chaos -timeout 20m -run TestAlerts -v . -cases=1,2
func TestAlerts(t *testing.T) {
	c := newChaos(t)
	only := strings.FieldsFunc(*onlyCases, func(r rune) bool { return r == ',' })
	wanted := func(number int) bool { return len(only) == 0 || slices.Contains(only, strconv.Itoa(number)) }
	r := newAlertRun(t, c)
	quiet := []*farServer{startFarServer(t, "127.0.0.1:0", farDelay)}
	opts := podOptions{config: upstreams(quiet...), sidecar: []string{machineProbe(quiet[0])}}
	pods := []*member{c.startMember(t, "c", opts), c.startMember(t, "d", opts)}
	control := startFleet(t, pods, runNodeCache(t, "node-cache", pods[0].dns, pods[0].config))
	var lasts *lastingRun
	if wanted(len(harms) + 1) {
		lasts = newLastingRun(t, c)
	}
	mix := []share{{weight: 1, list: c.outside[:100]}, {weight: 1, list: c.cluster[classA]}} // less than the cache holds
	for _, m := range control.members {
		startLoad(t, loadOptions{server: m.dns, rate: 20, mix: mix})
	}
	for _, n := range control.caches {
		startLoad(t, loadOptions{server: n.dns, rate: 20, mix: mix})
	}
	// Rates require two scrapes, and the caches their first names.
	time.Sleep(20 * time.Second)
	if lasts != nil {
		lasts.begin(t)
	}
	var allowed []string
	for i, h := range harms {
		if wanted(i + 1) {
			r.during(t, h)
			allowed = slices.Concat(allowed, h.fires, h.also)
		}
		if lasts != nil {
			lasts.endIfFired(t)
		}
	}
	if lasts != nil {
		lasts.end(t)
	}
	r.fleet.clears(t)
	control.checkBoards(t)
	var right []string // without harm
	if control.machineIsSlow(t) {
		right = []string{"KubeDNSLatencyHigh"}
	}
	r.fleet.firedOnly(t, slices.Concat(allowed, right))
	control.firedOnly(t, right)
	if lasts != nil {
		lasts.fleet.clears(t)
		lasts.fleet.firedOnly(t, slices.Concat(lasts.allowed(), right))
	}
}

// machineProbe is a probe of a server that is neither kube-dns nor dnsmasq. Its latency depends
// only on the machine.
func machineProbe(server *farServer) string {
	return fmt.Sprintf("--probe=machine,%s,%s,1,A", server.addr, outsideQuestion(1).name)
}

// machineIsSlow reports whether KubeDNSLatencyHigh fired only while the probe of the machine was
// slow too: at least one of its last 240 replies took over 64 ms. On a machine short of CPU the
// alert is right.
func (f *fleet) machineIsSlow(t *testing.T) bool {
	t.Helper()
	const wrong = `ALERTS{alertname="KubeDNSLatencyHigh", alertstate="firing", probe!="machine"} unless on () ` +
		`(histogram_quantile(1, sum by (le) (rate(kubedns_probe_duration_seconds_bucket{probe="machine"}[2m]))) > 0.064)`
	series, err := f.query(fmt.Sprintf("max_over_time((%s)[%ds:1s])", wrong, int(time.Since(f.began).Seconds())+1))
	if err != nil {
		t.Fatal(err)
	}
	return len(series) == 0
}

// TestAlertsAreKnown checks that each alert of the rules has its harm, or a reason for its absence.
func TestAlertsAreKnown(t *testing.T) {
	provoked := map[string]bool{}
	for _, h := range harms {
		for _, name := range h.fires {
			provoked[name] = true
		}
	}
	for name := range lasting {
		provoked[name] = true
	}
	for _, name := range alertNames(t) {
		if _, reason := unprovoked[name]; provoked[name] == reason {
			t.Errorf("%s: got a harm %t and a reason %t, want one of them", name, provoked[name], reason)
		}
	}
}

// An alertRun is the harmed fleet.
type alertRun struct {
	*chaos
	fleet    *fleet
	a, b     *member
	one, two *farServer
	config   map[string]string
	names    atomic.Int64 // number of names queried once, so far
	loads    []*load
}

func newAlertRun(t *testing.T, c *chaos) *alertRun {
	t.Helper()
	r := &alertRun{chaos: c}
	r.one, r.two = startFarServer(t, "127.0.0.1:0", farDelay), startFarServer(t, "127.0.0.1:0", farDelay)
	r.config = upstreams(r.one, r.two)
	r.a = c.startMember(t, "a", podOptions{config: r.config, nanny: []string{"-restartDnsmasq=false"}})
	r.b = c.startMember(t, "b", podOptions{config: r.config})
	r.fleet = startFleet(t, []*member{r.a, r.b})
	return r
}

// during starts a harm and waits until all its alerts fire.
func (r *alertRun) during(t *testing.T, h harm) {
	t.Helper()
	r.fleet.settle(t)
	before, err := r.fleet.firing()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range h.fires {
		if slices.Contains(before, name) {
			t.Errorf("%s: %s fires before it", h.name, name)
		}
	}
	began, after := time.Now(), map[string]time.Duration{}
	undo := h.do(r, t)
	for deadline := began.Add(fireLimit); len(after) < len(h.fires) && time.Now().Before(deadline); {
		time.Sleep(time.Second)
		now, err := r.fleet.firing()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range h.fires {
			if _, seen := after[name]; !seen && slices.Contains(now, name) {
				after[name] = time.Since(began)
			}
		}
	}
	undo()
	for _, name := range h.fires {
		if took, fired := after[name]; fired {
			t.Logf("%-28s after %3.0f s of: %s", name, took.Seconds(), h.name)
		} else {
			t.Errorf("%s: %s did not fire within %s", h.name, name, fireLimit)
		}
	}
}

// clears waits until no alert fires.
func (f *fleet) clears(t *testing.T) {
	t.Helper()
	began := time.Now()
	eventually(t, clearLimit, func() error {
		time.Sleep(time.Second)
		now, err := f.firing()
		if err == nil && len(now) > 0 {
			err = fmt.Errorf("these still fire: %s", strings.Join(now, ", "))
		}
		return err
	})
	t.Logf("all alerts cleared %.0f s after the last harm", time.Since(began).Seconds())
}

// firedOnly checks that only these alerts have fired.
func (f *fleet) firedOnly(t *testing.T, allowed []string) {
	t.Helper()
	fired, err := f.fired()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fired {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s fired without its harm", name)
		}
	}
}
