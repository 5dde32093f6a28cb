package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Each of the three images in a pod with upstream's other two, with the arguments of the overlay
// drop-in, which are upstream's. Substitutes for upstream's programs: a plain dnsmasq for
// dnsmasq-nanny, plainProbe for the sidecar, stockFake for kube-dns.

// A stockPod has the arguments of the drop-in, by container.
type stockPod map[string][]string

// args are the arguments of a container, with text changes for this machine: pairs of old and new
// text.
func (s stockPod) args(t *testing.T, container string, changes ...string) []string {
	t.Helper()
	if len(s[container]) == 0 {
		t.Fatalf("the drop-in has no container %s", container)
	}
	all := strings.Join(s[container], "\n")
	for pair := range slices.Chunk(changes, 2) {
		if !strings.Contains(all, pair[0]) {
			t.Fatalf("the drop-in's container %s has no argument with %q", container, pair[0])
		}
	}
	return strings.Split(strings.NewReplacer(changes...).Replace(all), "\n")
}

// local makes dnsmasq listen on a loopback address, as any user, without files of this machine.
func local(dnsmasq []string, addr string) []string {
	_, port, _ := strings.Cut(addr, ":")
	return append(dnsmasq, "--port="+port, "--listen-address=127.0.0.1", "--bind-interfaces",
		"--user="+userName(), "--pid-file=", "--no-hosts")
}

// startPlainDNSMasq runs dnsmasq like upstream's nanny: the arguments after "--", then two for each
// stub domain's server, then the upstreams. kill stops it.
func (s stockPod) startPlainDNSMasq(t *testing.T, addr, kubeDNS string, servers ...string) *process {
	t.Helper()
	link := filepath.Join(rig.dir, "bin", "dnsmasq")
	if err := os.Symlink("/usr/sbin/dnsmasq", link); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	args := s.args(t, "dnsmasq", "/127.0.0.1#10053", "/"+hash(kubeDNS))
	args = local(slices.Clone(args[slices.Index(args, "--")+1:]), addr)
	for _, server := range servers {
		args = append(args, "--server", server)
	}
	p := start(t, "dnsmasq", nil, append(args, "--no-resolv")...)
	t.Cleanup(func() { kill(p) })
	return p
}

// kill kills dnsmasq like upstream's nanny; SIGINT would not stop it.
func kill(p *process) {
	p.stopping.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGKILL) // it might have exited
		<-p.ended
	})
}

// hash is an address in dnsmasq's form.
func hash(addr string) string { return strings.Replace(addr, ":", "#", 1) }

// plainProbe queries like upstream's sidecar, over UDP and without EDNS: any reply with an answer
// is healthy.
func plainProbe(server, name string, qtype uint16) error {
	reply, err := ask(server, question{name: name, qtype: qtype, plain: true})
	if err != nil {
		return err
	}
	if len(reply.Answer) == 0 {
		return fmt.Errorf("%s %s at %s: %s without an answer", name, dns.TypeToString[qtype], server,
			dns.RcodeToString[reply.Rcode])
	}
	return nil
}

const probed = "kubernetes.default.svc.cluster.local"

// Our kube-dns with a plain dnsmasq in front, with only the API server's own rights, and with the
// old probes.
func TestSwappedKubeDNS(t *testing.T) {
	world, other := startResolver(t, outside), startResolver(t, "www.outside.example. 60 IN A 203.0.113.91")
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	stub := `{"partner.example": ["` + partner.Addr().String() + `"]}`
	pod := stockPod(overlayArgs(t, "drop-in"))
	k := pod.startKubeDNS(t, rig.cluster.kubeDNSIdentity(t, false, false), map[string]string{
		"stubDomains": stub, "upstreamNameservers": `["` + world.Addr().String() + `"]`,
	})
	target := &apiTarget{objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: "Endpoints"}
	change(t, target, []map[string]any{
		service("kube-system", "kube-dns", map[string]any{"clusterIP": "10.96.0.10", "ports": []any{
			map[string]any{"name": "dns", "port": 53, "protocol": "UDP"},
			map[string]any{"name": "dns-tcp", "port": 53, "protocol": "TCP"},
		}}),
		service("shop", "set", map[string]any{"clusterIP": "None"}),
		endpoints("shop", "set", "10.244.75.1", "10.244.75.2"),
		service("shop", "away", map[string]any{"type": "ExternalName", "externalName": "www.partner.example"}),
	})

	front := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	stubServer := "/partner.example/" + hash(partner.Addr().String())
	first := pod.startPlainDNSMasq(t, front, k.dns, stubServer, hash(world.Addr().String()))
	for _, tt := range throughDNSMasq {
		for _, q := range []question{
			{name: tt.name, qtype: tt.qtype}, {name: tt.name, qtype: tt.qtype, tcp: true},
			{name: tt.name, qtype: tt.qtype, plain: true},
		} {
			mustAnswer(t, front, q, dns.RcodeSuccess, tt.records...)
		}
	}
	mustAnswer(t, front, question{name: "absent.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeNameError)
	mustAnswer(t, front, question{name: "set.shop.svc.cluster.local", qtype: dns.TypeAAAA}, dns.RcodeSuccess)
	for _, server := range []string{k.dns, front} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV} {
			if err := plainProbe(server, probed, qtype); err != nil {
				t.Errorf("upstream's sidecar would have the container restarted: %v", err)
			}
		}
	}

	// On a change, upstream's nanny kills dnsmasq and starts another.
	if err := k.config.set(map[string]string{"stubDomains": stub,
		"upstreamNameservers": `["` + other.Addr().String() + `"]`}); err != nil {
		t.Fatal(err)
	}
	kill(first)
	pod.startPlainDNSMasq(t, front, k.dns, stubServer, hash(other.Addr().String()))
	for _, server := range []string{k.dns, front} {
		mustAnswer(t, server, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
	}
	for _, tcp := range []bool{false, true} {
		mustAnswer(t, front, question{name: "set.shop.svc.cluster.local", qtype: dns.TypeA, tcp: tcp}, dns.RcodeSuccess,
			"A 10.244.75.1", "A 10.244.75.2")
	}
}

// startKubeDNS runs kube-dns with the arguments of the drop-in and waits for its
// data.
func (s stockPod) startKubeDNS(t *testing.T, id identity, config map[string]string) *kubeDNS {
	t.Helper()
	port, statusPort, metricsPort := freePort(t), freePort(t), freePort(t)
	k := &kubeDNS{
		dns:    fmt.Sprintf("127.0.0.1:%d", port),
		status: fmt.Sprintf("http://127.0.0.1:%d", statusPort),
		config: newConfigDir(t, config),
	}
	args := s.args(t, "kubedns", "--dns-port=10053", "--dns-port="+strconv.Itoa(port), "=/kube-dns-config",
		"="+k.config.dir)
	k.process = start(t, "kube-dns", []string{"PROMETHEUS_PORT=" + strconv.Itoa(metricsPort)}, append(args,
		"--dns-bind-address=127.0.0.1", "--healthz-port="+strconv.Itoa(statusPort),
		"--kubecfg-file="+id.write(t), "--config-period=200ms")...)
	k.waitReady(t, 30*time.Second)
	return k
}

// Our nanny and its dnsmasq in front of upstream's kube-dns, which refuses everything
// until it has its data, and supports neither EDNS nor counters.
func TestSwappedNanny(t *testing.T) {
	world, other := startResolver(t, outside), startResolver(t, "www.outside.example. 60 IN A 203.0.113.91")
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	stock := startStockFake(t)
	// The second stub domain's server is a cluster name, which only kube-dns resolves.
	stub := `{"partner.example": ["` + partner.Addr().String() + `"], "corp.example": ["ns.corp.svc.cluster.local"]}`
	config := newConfigDir(t, map[string]string{
		"stubDomains": stub, "upstreamNameservers": `["` + world.Addr().String() + `"]`,
	})
	front := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args := stockPod(overlayArgs(t, "drop-in")).args(t, "dnsmasq", "=/etc/k8s/dns/dnsmasq-nanny", "="+config.dir,
		"/127.0.0.1#10053", "/"+hash(stock.addr))
	args = slices.Insert(args, slices.Index(args, "--"), "-syncInterval=200ms", "-kubednsServer="+stock.addr)
	nanny := start(t, "dnsmasq-nanny", nil, local(args, front)...)

	// kube-dns waits for its data: outside names and stub domains do not.
	mustAnswer(t, front, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.80")
	mustAnswer(t, front, question{name: "www.partner.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.90")
	mustAnswer(t, front, question{name: probed, qtype: dns.TypeA}, dns.RcodeRefused)
	pid := dnsmasqPIDs(t, nanny)

	stock.synced.Store(true)
	for _, q := range []question{{}, {tcp: true}, {plain: true}} {
		q.name, q.qtype = probed, dns.TypeA
		mustAnswer(t, front, q, dns.RcodeSuccess, "A 10.96.0.1")
		q.qtype = dns.TypeSRV
		mustAnswer(t, front, q, dns.RcodeSuccess, "SRV 10 100 0 3730373435633866."+probed+".")
		q.name, q.qtype = "1.0.96.10.in-addr.arpa", dns.TypePTR
		mustAnswer(t, front, q, dns.RcodeSuccess, "PTR "+probed+".")
		q.name, q.qtype = "absent.default.svc.cluster.local", dns.TypeA
		mustAnswer(t, front, q, dns.RcodeNameError)
	}
	eventually(t, time.Minute, func() error { return wantServer(front, "127.0.0.99#53") })

	// The upstream changes; an invalid configuration changes nothing.
	change := question{name: "www.outside.example", qtype: dns.TypeA}
	if err := config.set(map[string]string{"stubDomains": stub,
		"upstreamNameservers": `["` + other.Addr().String() + `"]`}); err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, front, change, dns.RcodeSuccess, "A 203.0.113.91")
	if err := config.set(map[string]string{"stubDomains": `{"partner.example": [`}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // five periods for a possible reload
	mustAnswer(t, front, change, dns.RcodeSuccess, "A 203.0.113.91")
	mustAnswer(t, front, question{name: "www.partner.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.90")
	mustAnswer(t, front, question{name: probed, qtype: dns.TypeA}, dns.RcodeSuccess, "A 10.96.0.1")
	if now := dnsmasqPIDs(t, nanny); now != pid {
		t.Errorf("dnsmasq was restarted: pid %s became %s", pid, now)
	}
}

// wantServer looks for a server in dnsmasq's own list.
func wantServer(dnsmasq, server string) error {
	m := new(dns.Msg).SetQuestion("servers.bind.", dns.TypeTXT)
	m.Question[0].Qclass = dns.ClassCHAOS
	reply, _, err := new(dns.Client).Exchange(m, dnsmasq)
	if err != nil {
		return err
	}
	for _, rr := range reply.Answer {
		if strings.Contains(rr.String(), server) {
			return nil
		}
	}
	return fmt.Errorf("dnsmasq does not have the server %s: %v", server, reply.Answer)
}

// Our sidecar with a plain dnsmasq and upstream's kube-dns, also with the probes of
// older manifests.
func TestSwappedSidecar(t *testing.T) {
	pod := stockPod(overlayArgs(t, "drop-in"))
	for _, tt := range []struct{ name, old, probe string }{
		{"stock", ",5,SRV", ",1,SRV"},
		{"final dot", probed + ",5,SRV", probed + ".,1,SRV"},
		{"type A", ",5,SRV", ",1,A"},
	} {
		t.Run(tt.name, func(t *testing.T) { pod.testSidecar(t, tt.old, tt.probe) })
	}
}

func (s stockPod) testSidecar(t *testing.T, old, probe string) {
	stock := startStockFake(t)
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	dnsmasq := s.startPlainDNSMasq(t, addr, stock.addr)
	statusPort := freePort(t)
	_, port, _ := strings.Cut(addr, ":")
	f := &front{dns: addr, status: fmt.Sprintf("http://127.0.0.1:%d", statusPort)}
	f.sidecar = start(t, "sidecar", nil, append(
		s.args(t, "sidecar", ",127.0.0.1:10053,", ","+stock.addr+",", ",127.0.0.1:53,", ","+addr+",", old, probe),
		"--prometheus-addr=127.0.0.1", "--prometheus-port="+strconv.Itoa(statusPort),
		"--dnsmasq-port="+port, "--dnsmasq-poll-interval-ms=200")...)

	// A refusal is neither an answer nor a sign of waiting.
	for _, label := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error { _, err := get(f.status+"/healthcheck/"+label, 503); return err })
	}
	for _, label := range []string{"kubedns", "dnsmasq"} { // each has asked: before, the sidecar returns 503 as well
		wantMetric(t, f, `kubedns_probe_`+label+`_errors [1-9]`)
	}
	stock.synced.Store(true)
	for _, label := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error {
			return wantHealth(f, label, func(h health) bool { return h.IsOk && h.Err == "" && h.LatencySeconds > 0 })
		})
	}
	for _, line := range []string{
		`# TYPE kubedns_probe_kubedns_latency_ms histogram`, `kubedns_probe_kubedns_latency_ms_bucket\{le="0.25"\} \d+`,
		`kubedns_probe_kubedns_latency_ms_bucket\{le="8192"\} [1-9]`, `kubedns_probe_kubedns_latency_ms_count [1-9]`,
		`kubedns_probe_dnsmasq_latency_ms_sum \d`, `kubedns_probe_dnsmasq_latency_ms_count [1-9]`,
		`# TYPE kubedns_probe_dnsmasq_errors counter`, `kubedns_probe_dnsmasq_errors [1-9]`,
		`# TYPE kubedns_dnsmasq_hits counter`, `kubedns_dnsmasq_hits \d+`, `kubedns_dnsmasq_misses [1-9]`,
		`kubedns_dnsmasq_evictions 0`, `kubedns_dnsmasq_insertions [1-9]`,
		`# TYPE kubedns_dnsmasq_max_size counter`, `kubedns_dnsmasq_max_size 1000`, `kubedns_dnsmasq_errors \d+`,
	} {
		wantMetric(t, f, line)
	}
	// Only the container without a reply is restarted.
	kill(dnsmasq)
	eventually(t, time.Minute, func() error { _, err := get(f.status+"/healthcheck/dnsmasq", 503); return err })
	eventually(t, time.Minute, func() error { _, err := get(f.status+"/healthcheck/kubedns", 200); return err })
	wantMetric(t, f, `kubedns_dnsmasq_errors [1-9]`)
	s.startPlainDNSMasq(t, addr, stock.addr)
	eventually(t, time.Minute, func() error { _, err := get(f.status+"/healthcheck/dnsmasq", 200); return err })
}

// wantMetric waits for a line in the sidecar's metrics.
func wantMetric(t *testing.T, f *front, line string) {
	t.Helper()
	pattern := regexp.MustCompile(`(?m)^` + line)
	eventually(t, time.Minute, func() error {
		body, err := get(f.status+"/metrics", 200)
		if err == nil && !pattern.MatchString(body) {
			err = fmt.Errorf("the metrics have no line %s:\n%.4000s", line, body)
		}
		return err
	})
}
