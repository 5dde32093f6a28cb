//go:build node

package node

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// upgrade sets the images of an earlier revision in the running Deployment and then those of this
// revision again, under load. Then each image runs with the other two of the other revision.
func (c *cluster) upgrade(t *testing.T) {
	t.Cleanup(func() { c.deploy(t, "modern") })
	c.setImages(t, "previous", "previous", "previous")
	c.against(t, c.load(t), func() { c.setImages(t, "dev", "dev", "dev") })
	progress(t, "upgraded")
	c.against(t, c.load(t), func() { c.setImages(t, "previous", "previous", "previous") })
	progress(t, "rolled back")

	web := c.service(t, "shop", "web")
	for _, tags := range [][3]string{
		{"dev", "previous", "previous"}, {"previous", "dev", "previous"}, {"previous", "previous", "dev"},
	} {
		c.setImages(t, tags[0], tags[1], tags[2])
		eventually(t, time.Minute, func() error { return c.shop.wantResolved("web", web...) })
		c.health(t)
		progress(t, "kube-dns %s, nanny %s, sidecar %s: answered", tags[0], tags[1], tags[2])
	}
}

// setImages changes the tags of the three images and waits until the old pods have exited.
func (c *cluster) setImages(t *testing.T, kubedns, nanny, sidecar string) {
	t.Helper()
	before := c.containers(t)
	out := c.mustKubectl(t, "-n", "kube-system", "set", "image", "deployment/kube-dns",
		"kubedns=localhost/k8s-dns-kube-dns:"+kubedns, "dnsmasq=localhost/k8s-dns-dnsmasq-nanny:"+nanny,
		"sidecar=localhost/k8s-dns-sidecar:"+sidecar)
	if !strings.Contains(out, "updated") {
		return // unchanged
	}
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
	c.gone(t, before)
}

// helmTest runs the pod of `helm test`, as Helm creates it.
func (c *cluster) helmTest(t *testing.T) {
	address, _, _ := strings.Cut(clusterDNS, ":")
	helm := exec.CommandContext(t.Context(), "go", "-C", "../../tools", "tool", "helm", "template", "kube-dns",
		"../charts/kube-dns", "--namespace=kube-system", "--set=image.registry=localhost,image.tag=dev,clusterIP="+address,
		"--show-only=templates/tests/answers.yaml")
	pod, err := helm.Output()
	if err != nil {
		t.Fatalf("helm: %v", err)
	}
	c.apply(t, string(pod))
	t.Cleanup(func() { _, _ = c.kubectl("-n", "kube-system", "delete", "pod", "kube-dns-test") })
	c.mustKubectl(t, "-n", "kube-system", "wait", "pod/kube-dns-test", "--for=jsonpath={.status.phase}=Succeeded",
		"--timeout=60s")
	log := c.mustKubectl(t, "-n", "kube-system", "logs", "kube-dns-test")
	for _, probe := range []string{"udp: ok", "tcp: ok"} {
		if !strings.Contains(log, probe) {
			t.Errorf("the log of the test is %q, want %q in it", log, probe)
		}
	}
}
