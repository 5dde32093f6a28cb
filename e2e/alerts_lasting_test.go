//go:build chaos

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lasting are alerts with the harm that triggers them. All harms affect a fleet of three pods and
// three node caches, from the start of the test: they take minutes.
var lasting = map[string]string{
	"KubeDNSDnsmasqServersDiffer": "dnsmasq may not read its servers file",
	"KubeDNSMissedChanges":        "a proxy drops the changes of a namespace",
	"KubeDNSProgrammingSlow":      "a proxy delays changes by seconds",
	"KubeDNSSendErrors":           "queries come from an address that replies cannot be sent to",
	"KubeDNSVersionsDiffer":       "one kube-dns has another version",
	"KubeDNSWatchCut":             "a proxy ends watches after seconds",
	"KubeDNSWatchSilent":          "a proxy keeps watches open and passes nothing on",
	"KubeDNSZoneDiffers":          "a proxy keeps watches open and passes nothing on",
	"NodeCacheDown":               "a node cache hangs",
	"NodeCacheErrorsHigh":         "a node cache is its own upstream",
	"NodeCacheFellBack":           "netfilter drops the replies of a node cache",
	"NodeCacheNotServing":         "netfilter drops the replies of a node cache",
	"NodeCacheOverload":           "a node cache gets more TCP connections than it accepts",
	"NodeCacheReloadFailed":       "the Corefile gets a mistake",
	"NodeCacheSetupErrors":        "the Corefile gets a mistake",
	"NodeCacheUpstreamLoop":       "a node cache is its own upstream",
}

// lastingAlso can fire as a consequence: the servers of one pod differ, and watches close.
var lastingAlso = []string{"KubeDNSConfigDiffers", "KubeDNSWatchLost"}

const (
	// lastingLimit is longer than any of these alerts takes to fire.
	lastingLimit = 5 * time.Minute
	// outage is long enough for kube-dns to compare its data with the API server's afterwards.
	outage = 25 * time.Second
	// heldBack is the delay of changes. It is shorter than the 10 s after which kube-dns reads
	// pages instead of a streamed list.
	heldBack = 8 * time.Second
	// watchLife is the lifetime of watches. After 10 s kube-dns opens the next watch at once.
	watchLife = 12 * time.Second

	changingNamespace = "alerts-changing"
	droppedNamespace  = "alerts-dropped"
)

// A lastingRun is a fleet with all lasting harms.
type lastingRun struct {
	*chaos
	fleet               *fleet
	late, mute, cut     *member // by fault of their proxies
	looping, hung, lone *nodeCache
	one, two            *farServer
	config              map[string]string
	loopConfig          *configDir
	began               time.Time
	ended               bool

	stop    context.CancelFunc
	running sync.WaitGroup
}

func newLastingRun(t *testing.T, c *chaos) *lastingRun {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the lasting harms need root, for an address and a network of their own")
	}
	l := &lastingRun{chaos: c}
	l.one, l.two = startFarServer(t, "127.0.0.1:0", farDelay), startFarServer(t, "127.0.0.1:0", farDelay)
	l.config = upstreams(l.one)
	l.late = c.startMember(t, "e", podOptions{config: l.config, wrap: otherVersion(t)})
	l.mute = c.startMember(t, "f", podOptions{config: l.config})
	l.cut = c.startMember(t, "g", podOptions{config: l.config, user: "nobody"})
	l.loopConfig = newConfigDir(t, l.config)
	l.looping = runNodeCache(t, "node-cache", l.late.dns, l.loopConfig)
	l.hung = runNodeCache(t, "node-cache", l.late.dns, newConfigDir(t, l.config))
	l.lone = startLoneCache(t, l.late.dns, newConfigDir(t, l.config))
	l.fleet = startFleet(t, []*member{l.late, l.mute, l.cut}, l.looping, l.hung, l.lone)
	return l
}

// otherVersion builds kube-dns with another version, and returns the value of podOptions.wrap for
// it.
func otherVersion(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(rig.dir, "bin")
	build := exec.Command("go", "build", "-ldflags=-X github.com/kube-dns/kube-dns/internal/cli.version=v0.0.1",
		"-o", filepath.Join(bin, "other.kube-dns"), "./cmd/kube-dns")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build another version: %v\n%s", err, out)
	}
	if err := os.Symlink("dnsmasq-nanny", filepath.Join(bin, "other.dnsmasq-nanny")); err != nil {
		t.Fatal(err)
	}
	return "other."
}

// begin starts all harms.
func (l *lastingRun) begin(t *testing.T) {
	t.Helper()
	if names, err := l.fleet.fired(); err != nil || len(names) > 0 {
		t.Errorf("before the lasting harms: got %v fired (%v), want none", names, err)
	}
	l.began = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = func() { cancel(); l.running.Wait() }
	t.Cleanup(l.stop)

	l.late.proxy.down(t) // until change
	l.breakServers(t)
	l.breakCaches(t)
	l.running.Go(func() { unroutable(ctx, t, l.mute.back) })
	l.running.Go(func() { l.cutWatches(ctx, t) })

	// One event in each watch, and silence before the bookmarks of these watches.
	l.mute.restart(t)
	l.waitReady(t, l.mute)
	questions := l.changes(t, 1)
	l.mute.shows(t, questions)
	l.mute.proxy.hang()

	l.running.Go(func() { l.change(ctx, t) })
}

// change ends the outage of a pod, with a proxy that drops some changes and delays the rest. Then
// it changes objects.
func (l *lastingRun) change(ctx context.Context, t *testing.T) {
	if !wait(ctx, time.Until(l.began.Add(outage))) {
		return
	}
	drop := fault(dropNamespace)
	l.late.proxy.fault.Store(&drop)
	l.late.proxy.delay.Store(int64(heldBack))
	l.late.proxy.up(t)
	l.apply(t, service(droppedNamespace, "web", map[string]any{}))
	for n := 2; wait(ctx, time.Second); n++ {
		l.changes(t, n)
	}
}

// wait reports false if ctx is done before d has passed.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (l *lastingRun) apply(t *testing.T, object map[string]any) {
	t.Helper()
	target := &apiTarget{objects: rig.cluster.objects}
	if _, err := target.apply(context.WithoutCancel(t.Context()), &unstructured.Unstructured{Object: object}); err != nil {
		t.Errorf("change an object: %v", err)
	}
}

// changes changes a Service and its endpoints, with the time of the change as the endpoints
// controller records it. It returns the right replies from then on.
func (l *lastingRun) changes(t *testing.T, n int) []*asked {
	t.Helper()
	now := time.Now().UTC().Format(time.RFC3339Nano)
	annotate := func(object map[string]any) map[string]any {
		metadata := object["metadata"].(map[string]any)
		metadata["annotations"] = map[string]any{"endpoints.kubernetes.io/last-change-trigger-time": now}
		return object
	}
	addr := fmt.Sprintf("10.244.91.%d", n%250+1)
	l.apply(t, annotate(service(changingNamespace, "set", map[string]any{"clusterIP": "None"})))
	l.apply(t, annotate(slice("v1", changingNamespace, "set", addr)))
	return []*asked{newAsked(classA, "set."+changingNamespace+".svc.cluster.local", dns.TypeA, dns.RcodeSuccess, addr)}
}

// dropNamespace removes the objects of a namespace from watches.
func dropNamespace(_ http.ResponseWriter, r *http.Request) bool {
	if query := r.URL.Query(); query.Has("watch") {
		query.Set("fieldSelector", "metadata.namespace!="+droppedNamespace)
		r.URL.RawQuery = query.Encode()
	}
	return false
}

// cutWatches repeatedly closes all watches of a pod.
func (l *lastingRun) cutWatches(ctx context.Context, t *testing.T) {
	for wait(ctx, watchLife) {
		l.cut.proxy.down(t)
		l.cut.proxy.up(t)
	}
}

// serversDir is the directory of dnsmasq's servers file in a pod.
func (l *lastingRun) serversDir() string {
	_, port, _ := net.SplitHostPort(l.cut.dns)
	return "/dev/shm/dnsmasq-nanny-" + port
}

// breakServers changes the upstream of a pod with an unreadable servers file.
func (l *lastingRun) breakServers(t *testing.T) {
	t.Helper()
	if err := os.Chmod(l.serversDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	l.cut.configure(t, upstreams(l.two))
}

// unroutable sends queries from an address that is unreachable from loopback.
func unroutable(ctx context.Context, t *testing.T, server string) {
	transparent := func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1) })
		if controlErr != nil {
			return controlErr
		}
		return err
	}
	conn, err := (&net.ListenConfig{Control: transparent}).ListenPacket(ctx, "udp4", "192.0.2.1:0")
	if err != nil {
		t.Errorf("send from another address: %v", err)
		return
	}
	defer conn.Close()
	query, err := new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeA).Pack()
	if err != nil {
		t.Error(err)
		return
	}
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(server))
	for wait(ctx, 100*time.Millisecond) {
		if _, err := conn.WriteTo(query, to); err != nil {
			t.Errorf("send from another address: %v", err)
			return
		}
	}
}

// waitReady waits until kube-dns of a pod has its data.
func (l *lastingRun) waitReady(t *testing.T, m *member) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		_, err := get(m.status+"/readiness", 200)
		return err
	})
}

// missing are the alerts that have not fired yet.
func (l *lastingRun) missing(t *testing.T) []string {
	t.Helper()
	fired, err := l.fleet.fired()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(lasting)),
		func(name string) bool { return slices.Contains(fired, name) })
}

// endIfFired reverts the harm if all alerts have fired.
func (l *lastingRun) endIfFired(t *testing.T) {
	t.Helper()
	if !l.ended && len(l.missing(t)) == 0 {
		l.end(t)
	}
}

// end waits until all alerts have fired, and reverts the harm. A second call does nothing.
func (l *lastingRun) end(t *testing.T) {
	t.Helper()
	if l.ended {
		return
	}
	l.ended = true
	missing := l.missing(t)
	for deadline := l.began.Add(lastingLimit); len(missing) > 0 && time.Now().Before(deadline); missing = l.missing(t) {
		time.Sleep(time.Second)
	}
	for _, name := range missing {
		t.Errorf("%s did not fire within %v of: %s", name, lastingLimit, lasting[name])
	}
	l.logTimes(t)
	l.undo(t)
}

// allowed are the alerts that are allowed to fire.
func (l *lastingRun) allowed() []string {
	return slices.AppendSeq(slices.Clone(lastingAlso), maps.Keys(lasting))
}

// logTimes logs the first time of each alert.
func (l *lastingRun) logTimes(t *testing.T) {
	t.Helper()
	for name, harm := range lasting {
		expr := fmt.Sprintf(`min_over_time((timestamp(ALERTS{alertname=%q, alertstate="firing"}))[%ds:1s])`, name,
			int(time.Since(l.began).Seconds()))
		first, err := l.fleet.value(expr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if first > 0 {
			t.Logf("%-28s after %3.0f s of: %s", name, first-float64(l.began.Unix()), harm)
		}
	}
}

// undo reverts all harm.
func (l *lastingRun) undo(t *testing.T) {
	t.Helper()
	l.stop()
	l.late.proxy.down(t)
	l.late.proxy.fault.Store(nil)
	l.late.proxy.delay.Store(0)
	l.late.opts.wrap = ""
	l.late.proxy.up(t)
	l.late.restart(t)
	l.mute.proxy.down(t)
	l.mute.proxy.up(t)
	if err := os.Chmod(l.serversDir(), 0o755); err != nil {
		t.Error(err)
	}
	l.cut.configure(t, l.config)
	l.mendCaches(t)
}

// value returns the smallest current value of a PromQL expression, or zero without any.
func (f *fleet) value(expr string) (float64, error) {
	samples, err := f.samples(expr)
	if err != nil {
		return 0, err
	}
	var values []float64
	for _, s := range samples {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, err
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return 0, nil
	}
	return slices.Min(values), nil
}
