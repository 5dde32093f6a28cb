//go:build chaos

package e2e

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var listOne = metav1.ListOptions{Limit: 1}

const (
	kills = 5
	// killPause prevents five deaths within one minute, after which the nanny would exit and leave
	// the restart to kubelet.
	killPause = 15500 * time.Millisecond
)

// dnsmasqKilled kills dnsmasq five times, with TCP clients connected to children of dnsmasq that
// hold the port.
func (c *chaos) dnsmasqKilled(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	for _, pod := range []*pod{p, control} {
		pod.warm(t)
		idleConnections(t, pod.dns, 20)
	}
	var moments []time.Time
	harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), kills*killPause, func() {
		for range kills {
			moments = append(moments, time.Now())
			p.killDNSMasq(t)
			time.Sleep(killPause - 500*time.Millisecond)
		}
	})
	var gaps []string
	for _, moment := range moments {
		gaps = append(gaps, strconv.FormatInt(harmed.gapAfter(moment).Milliseconds(), 10))
	}
	c.record(t, row{
		harm: fmt.Sprintf("dnsmasq killed %d times with 20 TCP clients connected", kills), scope: "all", target: shortGap,
		with: harmed.of(), without: undisturbed.of(), note: fmt.Sprintf("(gaps in order: %s)", strings.Join(gaps, ", ")),
	}, harmed, undisturbed)
}

// idleConnections connects TCP clients without queries to a server, until the test returns. Closed
// connections are reopened. It returns the number of open connections.
func idleConnections(t *testing.T, server string, n int) *atomic.Int64 {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var connected atomic.Int64
	for range n {
		clients.Go(func() {
			for ctx.Err() == nil {
				hold(ctx, server, &connected)
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() { stop(); clients.Wait() })
	return &connected
}

// hold keeps a connection until ctx is done or the server closes it.
func hold(ctx context.Context, server string, connected *atomic.Int64) {
	conn, err := (&net.Dialer{Timeout: clientTimeout}).DialContext(ctx, "tcp", server)
	if err != nil {
		return
	}
	connected.Add(1)
	defer connected.Add(-1)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	buf := make([]byte, 1)
	_, _ = conn.Read(buf) // nothing was sent: it returns when the connection closes
}

// idleClients connects many TCP clients without queries.
func (c *chaos) idleClients(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	for _, tt := range []struct {
		name    string
		clients int
		back    bool   // at kube-dns
		tcp     target // for other TCP clients
	}{
		{"25 idle TCP clients at port 53", 25, false, asControl},
		{"2000 idle TCP clients at port 53", 2000, false, noTarget},
		{"2000 idle TCP clients at kube-dns itself", 2000, true, asControl},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := c.startPod(t, podOptions{config: upstreams(one)})
			control := c.startPod(t, podOptions{config: upstreams(one)})
			p.warm(t)
			control.warm(t)
			load := func(p *pod) loadOptions {
				o := c.load(p, rate)
				if tt.back {
					o.server, o.mix = p.back, o.mix[1:]
				}
				o.tcp = 10
				return o
			}
			harmed, undisturbed := c.compare(t, load(p), load(control), 12*time.Second, func() {
				connected := idleConnections(t, load(p).server, tt.clients)
				time.Sleep(5 * time.Second)
				t.Logf("%d of %d clients are connected", connected.Load(), tt.clients)
			})
			c.record(t, row{harm: tt.name, scope: "all over UDP", target: asControl, with: harmed.of(),
				without: undisturbed.of()}, harmed, undisturbed)
			c.record(t, row{
				harm: tt.name, scope: "over TCP", target: tt.tcp,
				with: harmed.of(classTCP), without: undisturbed.of(classTCP),
			}, nil, nil)
		})
	}
}

// flood queries each name once, at twice the usual rate.
func (c *chaos) flood(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	var n atomic.Int64
	unique := []share{
		{weight: 1, fresh: func() *asked {
			i := int(n.Add(1))
			return newAsked(classOutside, fmt.Sprintf("f%d.flood.example", i), dns.TypeA, dns.RcodeSuccess,
				worldAddr(i).String())
		}},
		{weight: 1, fresh: func() *asked {
			return newAsked(classMiss, fmt.Sprintf("f%d.flood.example.chaos.svc.cluster.local", n.Add(1)), dns.TypeA,
				dns.RcodeNameError)
		}},
	}
	var flooding *score
	harmed, undisturbed := c.inTurn(t, c.load(p, rate), 15*time.Second, func() {
		flood := startLoad(t, loadOptions{server: p.dns, rate: 2 * rate, mix: unique})
		time.Sleep(13 * time.Second)
		flooding = flood.finish(t)
	})
	what := fmt.Sprintf("%d names a second that are queried once", 2*rate)
	c.record(t, row{harm: what, scope: "cluster", target: asControl, with: harmed.of(clusterClasses...),
		without: undisturbed.of(clusterClasses...)}, harmed, undisturbed)
	c.record(t, row{harm: what, scope: "outside", target: asControl, with: harmed.of(classOutside),
		without: undisturbed.of(classOutside)}, nil, nil)
	c.record(t, row{harm: what, scope: "the flood itself", with: flooding.of()}, flooding, nil)
}

// drain stops the pod like kubelet: all processes get SIGTERM at once.
func (c *chaos) drain(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	control.warm(t)
	var rest func() []string
	// The load stops soon after the last process that it could reach.
	harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 6500*time.Millisecond, func() {
		rest = p.terminate(t)
	})
	if ends := rest(); len(ends) != 3 || ends[0] != p.nanny.name {
		t.Errorf("order in which the processes ended: got %q, want %s first", ends, p.nanny.name)
	}
	for _, scope := range scopes {
		with := harmed.of(scope.classes...)
		c.record(t, row{
			harm: "SIGTERM to all three processes", scope: scope.name, target: noneLost,
			with: with, without: undisturbed.of(scope.classes...),
			note: fmt.Sprintf("(after the end of -lameduck: %d got REFUSED, %d found no socket)", with.refused, with.noSocket),
		}, harmed, undisturbed)
	}
}

// terminate sends SIGTERM to all processes. The returned function waits for them and returns their
// names in the order of their exits. Each must exit with code 0.
func (p *pod) terminate(t *testing.T) func() []string {
	t.Helper()
	var waiting sync.WaitGroup
	ended := make(chan string, 3)
	for _, proc := range []*process{p.nanny, p.kubeDNS, p.sidecar} {
		proc.stopping.Do(func() { // nothing else stops it
			if err := proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("stop %s: %v", proc.name, err)
			}
		})
		waiting.Go(func() {
			select {
			case <-proc.ended:
				ended <- proc.name
				if code := proc.cmd.ProcessState.ExitCode(); code != 0 {
					t.Errorf("%s after SIGTERM: got %v, want exit code 0", proc.name, proc.cmd.ProcessState)
				}
			case <-time.After(2 * stopTime):
				t.Errorf("%s did not stop within %v of SIGTERM", proc.name, 2*stopTime)
				_ = proc.cmd.Process.Kill()
			}
		})
	}
	if _, err := get(p.status+"/readiness", 503); err != nil {
		t.Errorf("readiness after SIGTERM: %v", err)
	}
	return func() []string {
		waiting.Wait()
		close(ended)
		var names []string
		for name := range ended {
			names = append(names, name)
		}
		return names
	}
}
