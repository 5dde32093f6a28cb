package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
)

// Ports are the ports of a kube-dns pod. A missing port is 0.
type Ports struct {
	DNS, Status, Metrics, Nanny, Sidecar int
}

// PortsOf reads the ports of a pod from its arguments.
func PortsOf(spec *corev1.PodSpec) Ports {
	parts := check.ContainersOf(spec)
	p := Ports{DNS: 53}
	if c := parts.KubeDNS; c != nil {
		p.Status = portOf(check.Flag(check.Args(c), "healthz-port"), 8081)
		p.Metrics = 10055
		for _, e := range c.Env {
			if e.Name == "PROMETHEUS_PORT" {
				p.Metrics = portOf(e.Value, p.Metrics)
			}
		}
		if parts.Nanny == nil {
			p.DNS = portOf(check.Flag(check.Args(c), "dns-port"), p.DNS)
		}
	}
	if c := parts.Nanny; c != nil {
		if _, port, err := net.SplitHostPort(check.Flag(check.Args(c), "httpAddr")); err == nil {
			p.Nanny = portOf(port, 0)
		}
	}
	if c := parts.Sidecar; c != nil {
		p.Sidecar = portOf(check.Flag(check.Args(c), "prometheus-port"), 10054)
	}
	return p
}

func portOf(text string, other int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return other
}

// pod reads the pages of a pod and queries it. Only this call writes to p.
func (g *gatherer) pod(ctx context.Context, p *check.Pod) {
	if check.ServerOf(&p.Object.Spec) != check.KubeDNS {
		return
	}
	ports := PortsOf(&p.Object.Spec)
	name := cluster.Pod{Namespace: p.Object.Namespace, Name: p.Name}
	p.Pages = map[string]check.Page{}
	for _, page := range []struct {
		name string
		port int
		path string
	}{
		{check.Readiness, ports.Status, "/readiness"},
		{check.Healthz, ports.Status, "/healthz"},
		{check.Status, ports.Status, "/?format=json"},
		{check.Metrics, ports.Metrics, "/metrics"},
		{check.NannyStatus, ports.Nanny, "/?format=json"},
		{check.NannyMetrics, ports.Nanny, "/metrics"},
		{check.ProbeStatus, ports.Sidecar, "/?format=json"},
		{check.SideMetrics, ports.Sidecar, "/metrics"},
	} {
		p.Pages[page.name] = g.page(ctx, name, page.port, page.path)
	}
	if v, ok := check.Metric(p.Pages[check.Metrics].Body, "kubedns_zone_digest"); ok {
		p.Digest = strconv.FormatFloat(v, 'f', -1, 64)
	} else if body, err := g.client.Get(ctx, name, ports.Status, "/cache"); err == nil {
		p.Digest = digest(body)
	} else {
		g.unread("cache", err.Error())
	}
	g.queries(ctx, p, name, ports.DNS)
}

func (g *gatherer) page(ctx context.Context, pod cluster.Pod, port int, path string) check.Page {
	if port == 0 {
		return check.Page{Missing: true, Err: "the container has no such port"}
	}
	body, err := g.client.Get(ctx, pod, port, path)
	if err == nil {
		return check.Page{Body: body}
	}
	status, replied := errors.AsType[*cluster.StatusError](err)
	return check.Page{Err: err.Error(), Missing: replied && status.Code == 404}
}

// digest returns a hash of the names, independent of their order.
func digest(cache []byte) string {
	var names any
	if json.Unmarshal(cache, &names) != nil {
		return ""
	}
	sorted, err := json.Marshal(names)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(sorted)
	return hex.EncodeToString(sum[:6])
}

// queries sends queries to the pod over TCP, through a port-forward.
func (g *gatherer) queries(ctx context.Context, p *check.Pod, name cluster.Pod, port int) {
	addr, err := g.client.Forward(ctx, name, port)
	if err != nil {
		g.unread("queries", err.Error())
		return
	}
	server := &ask.Server{Addr: addr}
	defer server.Close()
	p.Inside = replyOf(server.Ask(ctx, "kubernetes.default.svc."+g.facts.Options.Zone, "A"))
	if outside := g.facts.Options.Outside; outside != "" {
		p.Outside = replyOf(server.Ask(ctx, outside, "A"))
	}
}

func replyOf(r ask.Reply) *check.Reply {
	c := &check.Reply{Rcode: r.Rcode, Err: strings.TrimSpace(r.Err), Took: r.Took}
	for _, rr := range r.Answer {
		c.Records = append(c.Records, rr.Data)
		c.TTL = max(c.TTL, rr.TTL)
	}
	return c
}
