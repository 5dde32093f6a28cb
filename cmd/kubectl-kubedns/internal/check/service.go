package check

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// clusterDNSPort is the port of servers in resolv.conf.
const clusterDNSPort = 53

func checkService(f *Facts) outcome {
	var o outcome
	if why := f.unread("services"); why != "" {
		return skip("%s", why)
	}
	s := f.Objects.Service
	if s == nil {
		o.add(Error, "Service kube-dns", "kubectl apply -k manifests/overlays/drop-in",
			"there is none in namespace %s", f.Namespace)
		return o
	}
	if len(s.Spec.Selector) > 0 && !slices.ContainsFunc(f.Pods, func(p Pod) bool {
		return labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Object.Labels))
	}) {
		o.add(Error, "Service kube-dns",
			fmt.Sprintf("compare: kubectl -n %s get pods --show-labels", f.Namespace),
			"its selector %s finds no pod", labels.FormatLabels(s.Spec.Selector))
	}
	for _, proto := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			return p.Port == clusterDNSPort && (p.Protocol == proto || p.Protocol == "" && proto == corev1.ProtocolTCP)
		}) {
			o.add(Error, "Service kube-dns", fmt.Sprintf("kubectl -n %s edit service kube-dns", f.Namespace),
				"it has no port 53 over %s", proto)
		}
	}
	o.fine = fmt.Sprintf("Service kube-dns has the address %s", s.Spec.ClusterIP)
	if len(f.Kubelets) == 0 {
		o.fine += "; the kubelets' cluster DNS is not compared: " + cmp.Or(f.unread("kubelet"), "files do not have it")
		return o
	}
	o.fine += ", the kubelets' cluster DNS"
	f.sameAddress(&o, s)
	return o
}

// sameAddress adds a finding for each other address that kubelets set in pods.
func (f *Facts) sameAddress(o *outcome, s *corev1.Service) {
	others := map[string][]string{} // address to its sources
	for _, k := range f.Kubelets {
		if slices.ContainsFunc(k.Addresses, func(a string) bool {
			return slices.Contains(addresses(s), a) || linkLocal(a)
		}) {
			continue
		}
		text := cmp.Or(strings.Join(k.Addresses, ", "), "no address")
		others[text] = append(others[text], k.Of)
	}
	for _, text := range slices.Sorted(maps.Keys(others)) {
		o.add(Error, "Service kube-dns",
			"give the Service this address: running pods query it and cannot be changed",
			"its address is %s, but kubelets write %s into the resolv.conf of pods (%s)", s.Spec.ClusterIP, text,
			some(others[text]))
	}
}

// linkLocal reports whether an address is that of a node-local cache.
func linkLocal(a string) bool {
	addr, err := netip.ParseAddr(a)
	return err == nil && addr.IsLinkLocalUnicast()
}

func addresses(s *corev1.Service) []string {
	return append(slices.Clone(s.Spec.ClusterIPs), s.Spec.ClusterIP)
}

func checkEndpoints(f *Facts) outcome {
	if len(f.Files) > 0 {
		return skip("it needs a cluster")
	}
	if why := f.unread("endpointslices"); why != "" {
		return skip("%s", why)
	}
	ready := map[string]bool{} // by pod
	for _, slice := range f.Objects.Slices {
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				ready[e.TargetRef.Name] = true
			}
		}
	}
	counts := map[Server]int{}
	for name := range ready {
		server := Other
		if i := slices.IndexFunc(f.Pods, func(p Pod) bool { return p.Name == name }); i >= 0 {
			server = f.Pods[i].server()
		}
		counts[server]++
	}
	o := outcome{fine: fmt.Sprintf("%d pods are ready", len(ready))}
	const service = "Service kube-dns"
	switch {
	case len(ready) == 0:
		o.add(Error, service,
			fmt.Sprintf("kubectl -n %s get pods -l k8s-app=kube-dns, then describe a pod", f.Namespace),
			"no pod is ready: no name resolves")
	case len(ready) == 1:
		o.add(Warning, service, fmt.Sprintf("kubectl -n %s scale deployment kube-dns --replicas=2", f.Namespace),
			"one pod is ready: no name resolves while it restarts")
	}
	if counts[KubeDNS] < len(ready) {
		var parts []string
		for _, server := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%d of %s", counts[server], server))
		}
		o.add(Warning, service, "kubectl kubedns migrate --status; kubectl kubedns diff compares their replies",
			"not all ready pods run kube-dns: %s", strings.Join(parts, ", "))
	}
	return o
}

// writtenZones maps zones to the first place of each.
type writtenZones map[string]string

func (z writtenZones) note(zone, where string) {
	if zone = bareZone(zone); zone != "" && z[zone] == "" {
		z[zone] = where
	}
}

// ofPod records the zones in the arguments of a pod.
func (z writtenZones) ofPod(p *Pod) {
	parts := ContainersOf(&p.Object.Spec)
	z.note(ZoneOf(&p.Object.Spec), "--domain of "+p.title())
	for _, arg := range Args(parts.Nanny) {
		rule, ok := strings.CutPrefix(arg, "--server=/")
		if domain, _, _ := strings.Cut(rule, "/"); ok && strings.HasSuffix(rule, "#10053") &&
			!strings.HasSuffix(domain, ".arpa") {
			z.note(domain, "--server of dnsmasq in "+p.title())
		}
	}
	for _, arg := range Args(parts.Sidecar) {
		probe, ok := strings.CutPrefix(strings.TrimLeft(arg, "-"), "probe=")
		if fields := strings.Split(probe, ","); ok && len(fields) > 2 {
			_, zone, _ := strings.Cut(fields[2], ".svc.")
			z.note(zone, "--probe of the sidecar in "+p.title())
		}
	}
}

func checkZone(f *Facts) outcome {
	zones := writtenZones{}
	for _, p := range f.ours() {
		zones.ofPod(&p)
	}
	if len(zones) == 0 {
		return skip("no kube-dns pod")
	}
	if f.Options.Zone != "" {
		zones.note(f.Options.Zone, "--zone")
	}
	for _, k := range f.Kubelets {
		zones.note(k.Domain, "clusterDomain of the kubelets, "+k.Of)
	}
	names := slices.Sorted(maps.Keys(zones))
	o := outcome{fine: "the zone is " + names[0]}
	if len(f.Kubelets) == 0 {
		o.fine += "; the kubelets' clusterDomain is not compared: " +
			cmp.Or(f.unread("kubelet"), "files do not have it")
	}
	if len(names) > 1 {
		var parts []string
		for _, zone := range names {
			parts = append(parts, fmt.Sprintf("%s (%s)", zone, zones[zone]))
		}
		o.add(Error, "", "set the zone once: manifests/cluster/cluster.yaml", "there is more than one zone: %s",
			strings.Join(parts, ", "))
	}
	return o
}

func checkOwners(f *Facts) outcome {
	if why := f.unread("deployments"); why != "" {
		return skip("%s", why)
	}
	if len(f.Objects.Deployments) == 0 {
		return skip("no Deployment of the DNS pods")
	}
	o := outcome{fine: "one Deployment has the DNS pods"}
	var names []string
	for _, d := range f.Objects.Deployments {
		if d.Spec.Replicas == nil || *d.Spec.Replicas > 0 {
			names = append(names, d.Name)
		}
	}
	if len(names) > 1 {
		o.add(Warning, "", "kubectl kubedns migrate --status; scale down the one that is not wanted",
			"%d Deployments have DNS pods of the same label: %s", len(names), strings.Join(names, ", "))
	}
	for _, b := range f.Objects.Budgets {
		if servers := f.selected(b.Spec.Selector); len(servers) > 1 {
			o.add(Warning, "PodDisruptionBudget "+b.Name, "give each Deployment a budget with a label of its own",
				"it counts pods of %s together", strings.Join(servers, " and "))
		}
	}
	f.scalers(&o, names)
	f.antiAffinity(&o)
	return o
}

// scalers adds findings for autoscalers of Deployments without pods, and for several autoscalers of
// one Deployment. running are the Deployments with pods.
func (f *Facts) scalers(o *outcome, running []string) {
	of := map[string][]string{}
	for _, a := range f.Objects.Autoscalers {
		of[a.Target] = append(of[a.Target], a.Name)
	}
	for _, target := range slices.Sorted(maps.Keys(of)) {
		scaler := "Deployment " + of[target][0]
		exists := slices.ContainsFunc(f.Objects.Deployments, func(d appsv1.Deployment) bool { return d.Name == target })
		switch {
		case len(of[target]) > 1:
			o.add(Warning, scaler, "delete all but one", "%d autoscalers set the number of pods of deployment/%s: %s",
				len(of[target]), target, strings.Join(of[target], ", "))
		case exists && !slices.Contains(running, target):
			o.add(Warning, scaler, "point its --target at the Deployment that has pods: "+
				cmp.Or(some(running), "none has"),
				"it scales deployment/%s, which has no pods, and would start them again", target)
		case !exists && strings.Contains(target, "dns"):
			o.add(Warning, scaler, "point its --target at the Deployment that has pods: "+
				cmp.Or(some(running), "none has"),
				"it scales deployment/%s, which does not exist: nothing sets the number of DNS pods", target)
		}
	}
}

// antiAffinity adds a finding for pods that cannot share a node with pods of another server.
func (f *Facts) antiAffinity(o *outcome) {
	for _, d := range f.Objects.Deployments {
		a := d.Spec.Template.Spec.Affinity
		if a == nil || a.PodAntiAffinity == nil {
			continue
		}
		for _, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if servers := f.selected(term.LabelSelector); len(servers) > 1 {
				o.add(Warning, "Deployment "+d.Name,
					"make the anti-affinity preferred, or use a label that only this Deployment has",
					"its pods share no node with pods of %s: without free nodes they stay Pending",
					strings.Join(servers, " and "))
			}
		}
	}
}

// selected returns the servers of the pods of a selector.
func (f *Facts) selected(s *metav1.LabelSelector) []string {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for _, p := range f.Pods {
		if selector.Matches(labels.Set(p.Object.Labels)) {
			found[string(p.server())] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func checkPlacement(f *Facts) outcome {
	pods := f.ours()
	if len(pods) == 0 {
		return skip("no kube-dns pod")
	}
	var o outcome
	nodes, zones := map[string]bool{}, map[string]bool{}
	for _, p := range pods {
		nodes[p.Object.Spec.NodeName] = true
		zones[f.Objects.Zones[p.Object.Spec.NodeName]] = true
	}
	o.fine = fmt.Sprintf("pods: %d, nodes: %d, priority and requests are set", len(pods), len(nodes))
	if len(f.Files) > 0 {
		o.fine = "priority and requests are set"
	}
	if len(f.Files) == 0 && len(pods) > 1 && len(nodes) == 1 && len(f.Objects.Zones) != 1 {
		o.add(Warning, "", "the manifests have an anti-affinity: compare `kubectl kubedns check -f manifests`",
			"all %d pods are on node %s", len(pods), pods[0].Object.Spec.NodeName)
	} else if values := len(slices.Compact(slices.Sorted(maps.Values(f.Objects.Zones)))); values > 1 &&
		len(zones) == 1 && len(pods) > 1 {
		o.add(Warning, "", "add topologySpreadConstraints (manifests/components/modern)",
			"all pods are in one zone of %d", values)
	}
	spec := &pods[0].Object.Spec
	if spec.PriorityClassName == "" && (spec.Priority == nil || *spec.Priority < 1_000_000_000) {
		o.add(Warning, pods[0].title(), "priorityClassName: system-cluster-critical",
			"it has no priority class: other pods can take its place")
	}
	for _, c := range spec.Containers {
		if c.Resources.Requests.Cpu().IsZero() {
			o.add(Warning, pods[0].title()+" container "+c.Name, "take the requests of manifests/base/deployment.yaml",
				"it requests no CPU: busy neighbours slow it down")
		}
	}
	return o
}
