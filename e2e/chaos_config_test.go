//go:build chaos

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// configPairs is the number of runs with the changes and without.
	configPairs = 3
	configSteps = 20
	// lingers is longer than a removed server remains in dnsmasq's list.
	lingers = 7 * time.Second
)

// configChanges makes 20 valid changes, one a second, of all kinds.
func (c *chaos) configChanges(t *testing.T) {
	one, two, partner := startFarServer(t, "127.0.0.1:0", farDelay), startFarServer(t, "127.0.0.1:0", farDelay),
		startFarServer(t, "127.0.0.1:0", farDelay)
	resolv := c.nodeResolvConf(t)
	p := c.startPod(t, podOptions{config: upstreams(one), dnsmasq: []string{"--resolv-file=" + resolv.file}})
	p.warm(t)
	stub := func(servers ...*farServer) string {
		return `{"partner.example": ` + upstreams(servers...)["upstreamNameservers"] + `}`
	}
	none := map[string]string{}
	steps := []func(){
		func() { p.configure(t, with(upstreams(one), "stubDomains", stub(partner))) },
		func() { p.configure(t, with(upstreams(two), "stubDomains", stub(partner))) },
		func() { p.configure(t, upstreams(two)) },
		func() { p.configure(t, with(upstreams(two), "stubDomains", stub(one, partner))) },
		func() { p.configure(t, with(upstreams(two, one), "stubDomains", stub(one, partner))) },
		func() { p.configure(t, upstreams(one)) },
		func() { p.configure(t, resolv.instead(none, upstreams(two))) },
		func() { resolv.change(t) },
		func() { p.configure(t, with(resolv.instead(none, upstreams(one)), "stubDomains", stub(two))) },
		func() { p.configure(t, upstreams(one)) },
	}
	pid := p.dnsmasqPID()
	var with, without []*score
	for range configPairs {
		harmed, control := c.inTurn(t, c.load(p, fullRate), configSteps*time.Second+lingers, func() {
			next := time.NewTicker(time.Second)
			defer next.Stop()
			for i := range configSteps {
				steps[i%len(steps)]()
				<-next.C
			}
		})
		with, without = append(with, harmed), append(without, control)
		t.Logf("with the changes: %v\n%swithout: %v\n%s", harmed.of(), harmed.trouble(), control.of(), control.trouble())
	}
	if now := p.dnsmasqPID(); now != pid {
		t.Errorf("dnsmasq was restarted: pid %d became %d", pid, now)
	}
	what := fmt.Sprintf("%d changes of the ConfigMap%s, %d times", configSteps, resolv.text, configPairs)
	for _, scope := range scopes {
		r := row{harm: what, scope: scope.name, target: asControl}
		if scope.name == "outside" {
			r.target = fewLost
		}
		r.with, r.without, r.pairs = together(with, without, scope.classes)
		r.note = fmt.Sprintf("(by pair %s)", pairText(r.pairs))
		c.record(t, r, nil, nil)
	}
}

// together adds up pairs of runs.
func together(with, without []*score, classes []class) (a, b summary, pairs [][2]int) {
	for i := range with {
		x, y := with[i].of(classes...), without[i].of(classes...)
		pairs = append(pairs, [2]int{x.bad(), y.bad()})
		a, b = a.plus(x), b.plus(y)
	}
	return a, b, pairs
}

func pairText(pairs [][2]int) string {
	var list []string
	for _, p := range pairs {
		list = append(list, fmt.Sprintf("%d/%d", p[0], p[1]))
	}
	return strings.Join(list, ", ")
}

// A resolvFile is a node's resolv.conf. It can only name servers at port 53, so it is unused
// without root.
type resolvFile struct {
	file, text string
	usable     bool
	turn       int
}

func (c *chaos) nodeResolvConf(t *testing.T) *resolvFile {
	t.Helper()
	r := &resolvFile{file: filepath.Join(stateDir(t), "resolv.conf"),
		usable: c.root(t, "changes of the node's resolv.conf")}
	if r.usable {
		r.text = " and the node's resolv.conf"
		startFarServer(t, "127.77.0.1:53", farDelay)
		startFarServer(t, "127.77.0.2:53", farDelay)
	}
	r.change(t)
	return r
}

// change swaps the servers in the file.
func (r *resolvFile) change(t *testing.T) {
	t.Helper()
	r.turn++
	text := fmt.Sprintf("search node.example\nnameserver 127.77.0.%d\n", 1+r.turn%2)
	err := os.WriteFile(r.file+".new", []byte(text), 0o644)
	if err == nil {
		err = os.Rename(r.file+".new", r.file)
	}
	if err != nil {
		t.Errorf("change the node's resolv.conf: %v", err)
	}
}

// instead returns config, which leaves the upstreams to the file, if the file is usable, and
// otherwise other.
func (r *resolvFile) instead(config, other map[string]string) map[string]string {
	if r.usable {
		return config
	}
	return other
}

// invalidConfig sets five ConfigMaps that the pod refuses entirely.
func (c *chaos) invalidConfig(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	control.warm(t)
	invalid := []map[string]string{
		{"upstreamNameservers": `["no.address.example"]`},
		{"upstreamNameservers": `["127.0.0.1:0"]`},
		with(upstreams(one), "stubDomains", `{"Partner.Example": ["192.0.2.1"]}`),
		with(upstreams(one), "stubDomains", `{"partner.example": "192.0.2.1"}`),
		with(map[string]string{"federations": "nonsense"}, "upstreamNameservers", `["192.0.2.1"]`),
	}
	pid := p.dnsmasqPID()
	harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 12*time.Second, func() {
		for _, config := range invalid {
			p.configure(t, config)
			time.Sleep(2 * time.Second)
		}
	})
	if now := p.dnsmasqPID(); now != pid {
		t.Errorf("dnsmasq was restarted: pid %d became %d", pid, now)
	}
	c.record(t, row{
		harm: fmt.Sprintf("%d invalid ConfigMaps", len(invalid)), scope: "all", target: asControl,
		with: harmed.of(), without: undisturbed.of(),
	}, harmed, undisturbed)
}

const (
	// nameResolver is the resolver of the nanny's own pod; it requires root, since resolv.conf has
	// no ports.
	nameResolver = "127.77.1.1"
	nameAsked    = "ns.partner.example."
)

// stubNames configures a stub server by its name: first with a silent resolver, then with rotating
// addresses.
func (c *chaos) stubNames(t *testing.T) {
	if !c.root(t, "stub servers that are given by name") {
		return
	}
	var turn atomic.Int64
	var rotation atomic.Pointer[func(turn int64) []netip.Addr]
	resolver := startFarServer(t, nameResolver+":53", 0)
	resolver.hosts = func(name string) []netip.Addr {
		if name != nameAsked {
			return nil
		}
		return (*rotation.Load())(turn.Add(1) / 2) // A and AAAA of one look-up
	}
	var partners []netip.Addr
	for i := range 8 {
		s := startFarServer(t, fmt.Sprintf("127.77.2.%d:53", 1+i), farDelay)
		partners = append(partners, s.addr.Addr())
	}
	file := filepath.Join(stateDir(t), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+nameResolver+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wrap := wrapper(t, "resolver", "mount --bind "+file+" /etc/resolv.conf")
	stub := `{"partner.example": ["` + strings.TrimSuffix(nameAsked, ".") + `"]}`
	for _, tt := range []struct {
		harm   string
		mode   mode
		rotate func(turn int64) []netip.Addr
	}{
		{"stub server by name, its resolver silent", silent, nil},
		{"stub server by name, four addresses in another order each second", answers, func(turn int64) []netip.Addr {
			n := int(turn % 4)
			return slices.Concat(partners[n:4], partners[:n])
		}},
		{"stub server by name, two of four addresses, others each second", answers, func(turn int64) []netip.Addr {
			n := int(turn % 4)
			return []netip.Addr{partners[n], partners[(n+1)%4]}
		}},
		{"stub server by name, each second another address", answers, func(turn int64) []netip.Addr {
			n := int(turn % 8)
			return partners[n : n+1]
		}},
	} {
		t.Run(tt.harm, func(t *testing.T) {
			one := startFarServer(t, "127.0.0.1:0", farDelay)
			opts := podOptions{config: upstreams(one), wrap: wrap, period: time.Second}
			rotation.Store(&tt.rotate)
			resolver.set(tt.mode)
			p, control := c.startPod(t, opts), c.startPod(t, opts)
			p.warm(t)
			control.warm(t)
			harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 13*time.Second, func() {
				p.configure(t, with(upstreams(one), "stubDomains", stub))
			})
			c.record(t, row{harm: tt.harm, scope: "all", target: asControl, with: harmed.of(), without: undisturbed.of()},
				harmed, undisturbed)
		})
	}
}
