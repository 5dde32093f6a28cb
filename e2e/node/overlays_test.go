//go:build node

package node

import (
	"errors"
	"testing"
	"time"
)

// overlays deploys each shape of the manifests over the one before: all run on a real node. Lost
// queries are printed.
func (c *cluster) overlays(t *testing.T) {
	t.Cleanup(func() { c.deploy(t, "modern") })
	for _, overlay := range []string{"drop-in", "dual-stack", "cluster-first"} {
		t.Run(overlay, func(t *testing.T) {
			c.settle(t)
			if overlay == "drop-in" { // it has only the API server's own role
				c.mustKubectl(t, "delete", "clusterrolebinding", "kube-dns-endpointslices")
			}
			account := c.during(t, c.load(t), func() {
				c.deploy(t, overlay)
				c.settle(t) // where the pods differ, until the old pods have exited
			})
			progress(t, "deployed under load: %v", &account)
			web, db := c.service(t, "shop", "web"), c.waitPod(t, "shop", "db-0")
			// dnsmasq can have an older reply, for its TTL of 30 s.
			eventually(t, time.Minute, func() error {
				return errors.Join(
					c.shop.wantResolved("web", web...),
					c.other.wantResolved("web.shop", web...),
					c.shop.wantResolved("db-0.db", db.ip),
					c.shop.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"),
					c.shop.want("outside.shop"+zone, "A", "NOERROR", "CNAME www.example.test.", "A 192.0.2.80"),
					c.shop.want(reverse(web[0]), "PTR", "NOERROR", "PTR web.shop"+zone+"."),
					c.shop.want("missing.shop"+zone, "A", "NXDOMAIN"),
				)
			})
			c.health(t)
			for _, p := range c.dnsPods(t) {
				for _, s := range p.Status.ContainerStatuses {
					if s.RestartCount > 0 {
						t.Errorf("container %s of pod %s was restarted %d times", s.Name, p.Name, s.RestartCount)
					}
				}
			}
		})
	}
}
