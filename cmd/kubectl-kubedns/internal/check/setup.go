package check

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func checkRights(f *Facts) outcome {
	if len(f.Files) > 0 {
		return skip("it needs a cluster")
	}
	if why := f.unread("rights"); why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: "the service account may list and watch services, endpoints and endpointslices"}
	const fix = "kubectl apply -f manifests/base/rbac.yaml"
	if !f.Account["services"] {
		o.add(Error, "", "restart kube-apiserver, or bind the ClusterRole system:kube-dns",
			"the service account of kube-dns may not list and watch services: no name can be read")
	}
	switch slices, endpoints := f.Account["endpointslices"], f.Account["endpoints"]; {
	case !slices && !endpoints:
		o.add(Error, "", fix, "the service account may read neither endpointslices nor endpoints: headless Services "+
			"have no addresses")
	case !slices:
		o.add(Warning, "", fix, "the service account may not list and watch endpointslices: endpoints beyond 1000 and "+
			"second IP families are missing")
	}
	return o
}

// drainMargin is the time that a pod needs to stop, in addition to its lame duck time.
const drainMargin = 5 * time.Second

func checkDraining(f *Facts) outcome {
	if why := f.unread("pods"); why != "" {
		return skip("%s", why)
	}
	pods := f.ours()
	if len(pods) == 0 {
		return skip(needsPods)
	}
	// Pods of one Deployment are equal.
	p := pods[0]
	grace := 30 * time.Second
	if g := p.Object.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = time.Duration(*g) * time.Second
	}
	o := outcome{fine: fmt.Sprintf("pods have %s to drain", grace)}
	parts := ContainersOf(&p.Object.Spec)
	for _, c := range []*corev1.Container{parts.KubeDNS, parts.Nanny} {
		lameduck, err := time.ParseDuration(Flag(Args(c), "lameduck"))
		if err == nil && lameduck+drainMargin > grace {
			o.add(Warning, p.title(),
				fmt.Sprintf("terminationGracePeriodSeconds: %d", int((lameduck+drainMargin).Seconds())),
				"container %s drains for %s, but the pod is killed after %s", c.Name, lameduck, grace)
		}
	}
	if c := parts.KubeDNS; c.ReadinessProbe == nil {
		o.add(Warning, p.title(), "take the readinessProbe of manifests/base/deployment.yaml",
			"container %s has no readiness probe: queries go to it before it has data", c.Name)
	} else if period := c.ReadinessProbe.PeriodSeconds; period > 10 {
		o.add(Warning, p.title(), "periodSeconds: 5",
			"readiness is probed every %d s: a draining pod stays in the Service for up to that time", period)
	}
	return o
}

// Shares above which capacity is low.
const (
	memoryShare   = 0.9
	evictedShare  = 0.05
	waitingShare  = 0.5
	mostPending   = 2000
	leastEvicting = 1000 // insertions before the share of evictions matters
)

func checkCapacity(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: "memory, cache and pending queries are below their limits"}
	known := false
	for _, p := range pods {
		body := p.Pages[Metrics].Body
		used, ok := Metric(body, "process_resident_memory_bytes")
		known = known || ok
		if c := ContainersOf(&p.Object.Spec).KubeDNS; ok && !c.Resources.Limits.Memory().IsZero() {
			if limit := float64(c.Resources.Limits.Memory().Value()); used > memoryShare*limit {
				o.add(Warning, p.title(), "raise the memory limit of container "+c.Name,
					"container %s uses %.0f of %.0f MiB", c.Name, used/(1<<20), limit/(1<<20))
			}
		}
		if waiting, ok := Metric(body, "kubedns_dns_waiting_queries"); ok && waiting > waitingShare*mostPending {
			o.add(Warning, p.title(), "docs/runbooks/KubeDNSOverload.md", "%.0f of %d queries are pending", waiting,
				mostPending)
		}
		side := p.Pages[SideMetrics].Body
		evicted, ok := Metric(side, "kubedns_dnsmasq_evictions")
		if inserted, _ := Metric(side, "kubedns_dnsmasq_insertions"); ok && inserted > leastEvicting &&
			evicted > evictedShare*inserted {
			o.add(Warning, p.title(), "raise --cache-size of dnsmasq (docs/runbooks/KubeDNSCacheTooSmall.md)",
				"dnsmasq evicted %.0f of %.0f cache entries before their time", evicted, inserted)
		}
	}
	if !known {
		return skip("no pod served metrics: %s", cmp.Or(pods[0].Pages[Metrics].Err, "its version has none"))
	}
	return o
}

func checkMetrics(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: "metrics are reachable, and annotations name them to Prometheus"}
	for _, p := range pods {
		for _, name := range []string{Metrics, NannyMetrics, SideMetrics} {
			if page := p.Pages[name]; page.Err != "" && !page.Missing {
				o.add(Info, p.title(), "", "%s: %s", name, page.Err)
			}
		}
	}
	if !strings.EqualFold(pods[0].Object.Annotations["prometheus.io/scrape"], "true") {
		o.add(Info, pods[0].title(), "a PodMonitor is in monitoring/operator",
			"it has no annotation prometheus.io/scrape: check that something scrapes its metrics")
	}
	return o
}
