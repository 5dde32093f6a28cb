//go:build node

package node

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

// awayTime is longer than two restarts by the liveness probes of the manifests take.
const awayTime = 5 * time.Minute

// away stops the API server and restarts kube-dns. With the snapshot of the manifests it answers
// from that. Without one it waits, and nothing that waits is restarted.
func (c *cluster) away(t *testing.T) {
	t.Run("with the snapshot", func(t *testing.T) { c.awayWithSnapshot(t) })
	t.Run("without a snapshot", func(t *testing.T) { c.awayWithout(t) })
}

func (c *cluster) awayWithSnapshot(t *testing.T) {
	// A snapshot is written at most once every few seconds.
	time.Sleep(15 * time.Second)
	pods, web := c.dnsPods(t), c.service(t, "shop", "web")[0]
	c.killAPIServer(t)
	for i := range pods {
		c.killKubeDNS(t, &pods[i])
	}
	for _, p := range pods {
		eventually(t, time.Minute, func() error {
			a, err := c.shop.ask(p.Status.PodIP+":53", "web.shop"+zone, "A", false)
			if err == nil && (len(a.Records) != 1 || a.Records[0] != "A "+web) {
				err = fmt.Errorf("pod %s: %s %q, want A %s from the snapshot", p.Name, a.Rcode, a.Records, web)
			}
			return err
		})
		eventually(t, time.Minute, func() error {
			body, err := get("http://" + p.Status.PodIP + ":8081/readiness")
			if err == nil && !strings.Contains(body, "stale") {
				err = fmt.Errorf("readiness of pod %s: %q, want that it is stale", p.Name, body)
			}
			return err
		})
	}
	eventually(t, patience, func() error { return c.shop.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80") })
	c.restartAPIServer(t)
	for _, p := range pods {
		eventually(t, 2*time.Minute, func() error {
			body, err := get("http://" + p.Status.PodIP + ":8081/readiness")
			if err == nil && strings.Contains(body, "stale") {
				err = fmt.Errorf("readiness of pod %s: %q, want ok", p.Name, body)
			}
			return err
		})
	}
}

func (c *cluster) awayWithout(t *testing.T) {
	c.settle(t)
	before := c.containers(t)
	c.withoutSnapshot(t)
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
	c.gone(t, before)
	pods := c.dnsPods(t)
	c.killAPIServer(t)
	for i := range pods {
		c.killKubeDNS(t, &pods[i])
	}
	pids := c.processes(t, pods)
	for _, p := range pods {
		eventually(t, time.Minute, func() error { return c.waits(&p) })
	}
	progress(t, "both pods wait for the API server; asking for outside names for %v", awayTime)
	outside := agent.LoadOptions{Server: clusterDNS, Rate: 20, TCPRate: 2, Questions: []agent.Question{
		{Name: "www.example.test", Type: "A", Record: "A 192.0.2.80"},
		{Name: "foo.example.test", Type: "A", Record: "A 192.0.2.81"},
		{Name: "missing.example.test", Type: "A", Rcode: "NXDOMAIN"},
	}}
	account := c.during(t, outside, func() { c.watchWaiting(t, pods, pids) })
	progress(t, "outside names meanwhile: %v", &account)
	if account.Bad() > 0 {
		t.Errorf("outside names were not answered while the API server was away: %v", &account)
	}

	c.restartAPIServer(t)
	for _, p := range pods {
		eventually(t, 2*time.Minute, func() error { return c.answers(&p) })
	}
	progress(t, "both pods answer cluster names again")
	eventually(t, time.Minute, func() error {
		for _, p := range c.dnsPods(t) {
			for container, want := range map[string]int{"kubedns": 1, "dnsmasq": 0, "sidecar": 0} {
				if got := restarts(&p, container); got != want {
					return fmt.Errorf("pod %s: container %s was restarted %d times, want %d (by this test)", p.Name, container, got,
						want)
				}
			}
		}
		return nil
	})
}

// watchWaiting checks for five minutes that waiting pods are not changed.
func (c *cluster) watchWaiting(t *testing.T, pods []corev1.Pod, pids map[string]string) {
	t.Helper()
	for end := time.Now().Add(awayTime); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if time.Until(end)%time.Minute < 5*time.Second {
			progress(t, "%v to go", time.Until(end).Round(time.Second))
		}
		if err := sameContainers(pids, c.processes(t, pods)); err != nil {
			t.Fatalf("something was restarted while it waited: %v", err)
		}
	}
	for _, p := range pods {
		if err := c.waits(&p); err != nil {
			t.Errorf("after %v: %v", awayTime, err)
		}
	}
	// A C program's look-up continues after SERVFAIL in its search path.
	got, err := c.shop.getent("www.example.test")
	if err != nil || len(got) != 2 {
		t.Errorf("getent www.example.test in a pod: got %q, %v; want two addresses", got, err)
	}
}

// waits checks that a pod without data reports that and is not restarted.
func (c *cluster) waits(p *corev1.Pod) error {
	a, err := c.shop.ask(p.Status.PodIP+":53", "web.shop"+zone, "A", false)
	if err != nil {
		return err
	}
	if a.Rcode != "SERVFAIL" || a.ExtendedError != int(dns.ExtendedErrorCodeNotReady) {
		return fmt.Errorf("pod %s, a name of the cluster: got %s with extended error %d, want SERVFAIL with %d (not ready)",
			p.Name, a.Rcode, a.ExtendedError, dns.ExtendedErrorCodeNotReady)
	}
	body, err := get("http://" + p.Status.PodIP + ":8081/readiness")
	if err == nil {
		return fmt.Errorf("pod %s: /readiness is 200 (%s) without data", p.Name, strings.TrimSpace(body))
	}
	if body == "" {
		return err
	}
	for _, label := range []string{"kubedns", "dnsmasq"} {
		if _, err := get("http://" + p.Status.PodIP + ":10054/healthcheck/" + label); err != nil {
			return fmt.Errorf("liveness of a pod that waits: %w", err)
		}
	}
	return nil
}

// withoutSnapshot removes --snapshot from the Deployment's arguments.
func (c *cluster) withoutSnapshot(t *testing.T) {
	t.Helper()
	for i, container := range c.deployment.Spec.Template.Spec.Containers {
		for j, arg := range container.Args {
			if strings.HasPrefix(arg, "--snapshot=") {
				c.mustKubectl(t, "-n", "kube-system", "patch", "deployment", "kube-dns", "--type=json", "-p",
					fmt.Sprintf(`[{"op":"remove","path":"/spec/template/spec/containers/%d/args/%d"}]`, i, j))
				return
			}
		}
	}
	t.Fatal("the Deployment has no argument --snapshot: this test has nothing to take away")
}

// killKubeDNS kills kube-dns; the kubelet restarts it, with or without the API server.
func (c *cluster) killKubeDNS(t *testing.T, p *corev1.Pod) {
	t.Helper()
	was, err := process(p, "kube-dns")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Its container then has another ID, which the API server cannot report.
	eventually(t, time.Minute, func() error {
		_, err := get("http://" + p.Status.PodIP + ":8081/healthz")
		return err
	})
}

// processes returns the main processes of all pods, "pod/name" to pid. They show restarts without
// an API server.
func (c *cluster) processes(t *testing.T, pods []corev1.Pod) map[string]string {
	t.Helper()
	pids := map[string]string{}
	for _, p := range pods {
		for _, name := range []string{"kube-dns", "dnsmasq-nanny", "sidecar"} {
			pid, err := process(&p, name)
			if err != nil {
				t.Fatal(err)
			}
			pids[p.Name+"/"+name] = strconv.Itoa(pid)
		}
	}
	return pids
}

// killAPIServer stops the API server until restartAPIServer.
func (c *cluster) killAPIServer(t *testing.T) {
	t.Helper()
	file := c.dir + "/run/kube-apiserver.pid"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	field, _, _ := strings.Cut(string(b), " ")
	pid, err := strconv.Atoi(field)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill the API server: %v", err)
	}
	progress(t, "the API server is gone")
	t.Cleanup(func() { c.restartAPIServer(t) })
}

// restartAPIServer starts the stopped parts of the cluster.
func (c *cluster) restartAPIServer(t *testing.T) {
	t.Helper()
	// node-up.sh has its own timeouts, which a busy machine can exceed; another run waits again.
	eventually(t, 5*time.Minute, func() error {
		if out, err := exec.Command("./node-up.sh", c.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("bring the API server back: %w\n%s", err, out)
		}
		return nil
	})
	eventually(t, time.Minute, func() error { _, err := c.kubectl("get", "--raw", "/readyz"); return err })
	progress(t, "the API server is back")
}
