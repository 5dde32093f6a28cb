package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const migrateCases = "../cmd/kubectl-kubedns/internal/migrate/testdata/"

// migrateFiles runs the plugin on manifests, and returns the output folder.
func migrateFiles(t *testing.T, manifests string, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	tool(t, manifests, rig.dir+"/bin/kubectl-kubedns", append([]string{"migrate", "-f", "-", "--out", dir}, args...)...)
	return dir
}

// decodeFile reads one object.
func decodeFile(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The API server accepts each file that the plugin writes, without a warning.
func TestMigrateDryRun(t *testing.T) {
	for name, args := range map[string][]string{
		"kubeadm":  {"--to", "kube-dns", "--registry", "registry.example/dns", "--tag", "v1"},
		"helm":     {"--to", "kube-dns", "--registry", "registry.example/dns", "--tag", "v1", "--accept", "MG41"},
		"kube-dns": {"--to", "coredns"},
	} {
		t.Run(name, func(t *testing.T) {
			manifests, err := os.ReadFile(migrateCases + name + "/in.yaml")
			if err != nil {
				t.Fatal(err)
			}
			dir := migrateFiles(t, string(manifests), args...)
			client, warnings := warningClient(t)
			for doc := range strings.SplitSeq(tool(t, "", kubectlPath(t), "kustomize", dir), "\n---\n") {
				object := decoded(t, doc)
				if object.GetKind() == "Service" { // an address of another cluster
					delete(object.Object["spec"].(map[string]any), "clusterIP")
					delete(object.Object["spec"].(map[string]any), "clusterIPs")
				}
				dryRun(t, client, object)
			}
			if list := warnings.list(); len(list) > 0 {
				t.Errorf("the API server warns: %q", list)
			}
			if values := dir + "/values.yaml"; name != "kube-dns" { // the chart accepts its values too
				chart := tool(t, "", goTool(t, "helm"), "template", "kube-dns", "../charts/kube-dns", "-n", "kube-system",
					"-f", values)
				if !strings.Contains(chart, "kind: Deployment") {
					t.Errorf("helm template:\n%s", chart)
				}
			}
		})
	}
}

func kubectlPath(t *testing.T) string {
	t.Helper()
	return goTool(t, "kubectl")
}

// kubeDNSManifests is a kube-dns with options that have CoreDNS plugins.
const kubeDNSManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: kube-dns}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
      - {name: kubedns, image: registry.example/k8s-dns-kube-dns:1.26.4, args: [--domain=cluster.local.]}
      - name: dnsmasq
        image: registry.example/k8s-dns-dnsmasq-nanny:1.26.4
        args: [--, -k, --cache-size=1000, --no-negcache, --server=/cluster.local/127.0.0.1#10053,
          --address=/ads.example/, --address=/one.example/192.0.2.7, "--host-record=h.example,192.0.2.6,2001:db8::6",
          "--cname=c.example,h.example", "--mx-host=mail.example,mx.example,10"]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-dns}
data:
  stubDomains: '{"partner.example": ["%s"]}'
  upstreamNameservers: '["%s"]'
`

// CoreDNS loads the Corefile translated from a kube-dns, and its replies are the same.
func TestMigrateToCoreDNS(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	dir := migrateFiles(t, fmt.Sprintf(kubeDNSManifests, partner.Addr(), world.Addr()), "--to", "coredns")
	var config corev1.ConfigMap
	decodeFile(t, dir+"/configmap.yaml", &config)
	port := strconv.Itoa(freePort(t))
	corefile := strings.NewReplacer(
		":53 {", ":"+port+" {", "ready\n", "ready 127.0.0.1:"+strconv.Itoa(freePort(t))+"\n",
		"health {", "health 127.0.0.1:"+strconv.Itoa(freePort(t))+" {", "prometheus :9153", "",
		"lameduck 25s", "lameduck 0s",
		"ttl 30\n", "ttl 30\n kubeconfig "+rig.cluster.dir+"/kubeconfig\n",
	).Replace(config.Data["Corefile"])
	path := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	link := rig.dir + "/bin/coredns"
	if err := os.Symlink(strings.TrimSpace(tool(t, "", "./coredns.sh")), link); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	start(t, "coredns", nil, "-conf", path)
	for _, tt := range []struct {
		name    string
		qtype   uint16
		rcode   int
		records []string
	}{
		{"kubernetes.default.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.96.0.1"}},
		{"missing.default.svc.cluster.local", dns.TypeA, dns.RcodeNameError, nil},
		{"1.0.96.10.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, []string{"PTR kubernetes.default.svc.cluster.local."}},
		{"10-1-2-3.default.pod.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.1.2.3"}},
		{"www.outside.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.80"}},
		{"www.partner.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.90"}},
		{"x.ads.example", dns.TypeA, dns.RcodeNameError, nil},
		{"x.one.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.7"}},
		{"h.example", dns.TypeAAAA, dns.RcodeSuccess, []string{"AAAA 2001:db8::6"}},
		{"c.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.6", "CNAME h.example."}},
		{"mail.example", dns.TypeMX, dns.RcodeSuccess, []string{"MX 10 mx.example."}},
	} {
		eventually(t, time.Minute, func() error {
			return wantAnswer("127.0.0.1:"+port, question{name: tt.name, qtype: tt.qtype}, tt.rcode, tt.records...)
		})
	}
}

// coreDNSManifests is a CoreDNS with plugins that have dnsmasq options.
const coreDNSManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
      - name: coredns
        image: registry.example/coredns:v1.12.1
        args: [-conf, /etc/coredns/Corefile]
        volumeMounts: [{name: config, mountPath: /etc/coredns}]
      volumes: [{name: config, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns}
data:
  Corefile: |
    .:53 {
        kubernetes cluster.local in-addr.arpa ip6.arpa {
            pods insecure
            fallthrough in-addr.arpa ip6.arpa
            ttl 30
        }
        hosts {
            192.0.2.6 h.example
            2001:db8::6 h.example
            fallthrough
        }
        template IN A one.example {
            answer "{{ .Name }} 60 IN A 192.0.2.7"
        }
        template ANY ANY ads.example {
            rcode NXDOMAIN
        }
        forward . %s
        cache 30
    }
    partner.example {
        forward . %s
    }
`

// dnsmasq accepts the arguments translated from a Corefile, and its replies are those of CoreDNS.
func TestMigrateToKubeDNS(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	dir := migrateFiles(t, fmt.Sprintf(coreDNSManifests, world.Addr(), partner.Addr()),
		"--to", "kube-dns", "--registry", "registry.example", "--tag", "v1")
	var config corev1.ConfigMap
	var deployment appsv1.Deployment
	decodeFile(t, dir+"/configmap.yaml", &config)
	decodeFile(t, dir+"/deployment.yaml", &deployment)

	k := startKubeDNS(t, rig.cluster.kubeDNSIdentity(t, true, false).write(t), config.Data)
	k.waitReady(t, 20*time.Second)
	port := freePort(t)
	var args []string
	for _, c := range deployment.Spec.Template.Spec.Containers {
		if c.Name == "dnsmasq" {
			args = c.Args[slices.Index(c.Args, "--")+1:]
		}
	}
	for i, arg := range args {
		args[i] = strings.NewReplacer("$(CLUSTER_DOMAIN)", "cluster.local", "/127.0.0.1#10053",
			"/"+strings.Replace(k.dns, ":", "#", 1)).Replace(arg)
	}
	nanny := []string{
		"-configDir=" + k.config.dir, "-stateDir=" + stateDir(t), "-restartDnsmasq=true", "-syncInterval=200ms",
		"-kubednsServer=" + k.dns, "--",
	}
	start(t, "dnsmasq-nanny", nil,
		append(append(nanny, args...), "--port="+strconv.Itoa(port), "--listen-address=127.0.0.1",
			"--bind-interfaces", "--user="+userName(), "--pid-file=", "--no-hosts")...)
	for _, tt := range []struct {
		name    string
		qtype   uint16
		rcode   int
		records []string
	}{
		{"kubernetes.default.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.96.0.1"}},
		{"missing.default.svc.cluster.local", dns.TypeA, dns.RcodeNameError, nil},
		{"www.outside.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.80"}},
		{"www.partner.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.90"}},
		{"x.ads.example", dns.TypeA, dns.RcodeNameError, nil},
		{"x.one.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.7"}},
		{"h.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.6"}},
		{"h.example", dns.TypeAAAA, dns.RcodeSuccess, []string{"AAAA 2001:db8::6"}},
	} {
		mustAnswer(t, fmt.Sprintf("127.0.0.1:%d", port), question{name: tt.name, qtype: tt.qtype}, tt.rcode, tt.records...)
	}
}
