package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The pod of the overlay cluster-first: kube-dns is in front of dnsmasq. Clients get the same
// replies as with the other shape, also for outside names, and ConfigMap changes still work.
func TestClusterFirst(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90", "www.outside.example. 60 IN A 203.0.113.91")
	config := upstream(world)
	config["stubDomains"] = `{"partner.example": ["` + partner.Addr().String() + `"]}`
	k, f := startClusterFirst(t, rig.cluster.kubeDNSIdentity(t, true, false), config)
	k.waitReady(t, 30*time.Second)
	target := &apiTarget{objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: "EndpointSlice"}
	change(t, target, []map[string]any{
		service("kube-system", "kube-dns", map[string]any{"clusterIP": "10.96.0.10", "ports": []any{
			map[string]any{"name": "dns", "port": 53, "protocol": "UDP"},
			map[string]any{"name": "dns-tcp", "port": 53, "protocol": "TCP"},
		}}),
		service("shop", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "shop", "set", "10.244.75.1", "10.244.75.2"),
		service("shop", "away", map[string]any{"type": "ExternalName", "externalName": "www.partner.example"}),
	})
	for _, tt := range throughDNSMasq {
		for _, q := range []question{
			{name: tt.name, qtype: tt.qtype}, {name: tt.name, qtype: tt.qtype, tcp: true},
			{name: tt.name, qtype: tt.qtype, plain: true},
		} {
			mustAnswer(t, k.dns, q, dns.RcodeSuccess, tt.records...)
		}
	}
	mustAnswer(t, k.dns, question{name: "absent.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeNameError)
	for _, probe := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error {
			return wantHealth(f, probe, func(h health) bool { return h.IsOk && h.Err == "" && h.LatencySeconds > 0 })
		})
	}
	eventually(t, time.Minute, func() error {
		body, err := get(f.status+"/metrics", 200)
		if err == nil && !strings.Contains(body, "\nkubedns_dnsmasq_max_size 1000\n") {
			err = fmt.Errorf("the counters are not those of dnsmasq: %.3000s", body)
		}
		return err
	})

	// The upstream of kube-dns changes and the stub domain is removed.
	if err := k.config.set(upstream(partner)); err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, k.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
}

// startClusterFirst runs the three commands with the arguments of the overlay, on
// unprivileged loopback ports.
func startClusterFirst(t *testing.T, id identity, config map[string]string) (*kubeDNS, *front) {
	t.Helper()
	args := overlayArgs(t, "cluster-first")
	port, behind, statusPort, metricsPort, sidecarPort := freePort(t), freePort(t), freePort(t), freePort(t), freePort(t)
	k := &kubeDNS{
		dns:    fmt.Sprintf("127.0.0.1:%d", port),
		status: fmt.Sprintf("http://127.0.0.1:%d", statusPort),
		config: newConfigDir(t, config),
	}
	f := &front{dns: fmt.Sprintf("127.0.0.1:%d", behind), status: fmt.Sprintf("http://127.0.0.1:%d", sidecarPort)}
	change := strings.NewReplacer(
		"--dns-port=53", "--dns-port="+strconv.Itoa(port), "port=10053", "port="+strconv.Itoa(behind),
		"127.0.0.1:10053", f.dns, "127.0.0.1:53", k.dns, "127.0.0.1#53", strings.Replace(k.dns, ":", "#", 1),
		"=/kube-dns-config", "="+k.config.dir, "=/etc/k8s/dns/dnsmasq-nanny", "="+k.config.dir,
		"=/var/lib/kube-dns", "="+stateDir(t), "=/var/lib/dnsmasq-nanny", "="+stateDir(t),
		"cluster.local,5,", "cluster.local,1,",
		"-httpAddr=:10056", "-httpAddr=127.0.0.1:"+strconv.Itoa(freePort(t)),
	)
	for _, list := range args {
		for i := range list {
			list[i] = change.Replace(list[i])
		}
	}
	k.process = start(t, "kube-dns", []string{"PROMETHEUS_PORT=" + strconv.Itoa(metricsPort)}, append(args["kubedns"],
		"--dns-bind-address=127.0.0.1", "--healthz-port="+strconv.Itoa(statusPort),
		"--kubecfg-file="+id.write(t), "--config-period=200ms")...)
	nanny := slices.Insert(args["dnsmasq"], slices.Index(args["dnsmasq"], "--"), "-syncInterval=200ms")
	f.nanny = start(t, "dnsmasq-nanny", nil, append(nanny, "--user="+userName(), "--pid-file=", "--no-hosts")...)
	f.sidecar = start(t, "sidecar", nil, append(args["sidecar"],
		"--prometheus-addr=127.0.0.1", "--prometheus-port="+strconv.Itoa(sidecarPort), "--dnsmasq-poll-interval-ms=500")...)
	return k, f
}

// overlayArgs are the arguments of the containers of an overlay.
func overlayArgs(t *testing.T, overlay string) map[string][]string {
	t.Helper()
	args := map[string][]string{}
	for _, object := range renderManifests(t, "../manifests/overlays/"+overlay) {
		if object.GetKind() != "Deployment" || object.GetName() != "kube-dns" {
			continue
		}
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &d); err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			args[c.Name] = expandedArgs(c)
		}
	}
	return args
}
