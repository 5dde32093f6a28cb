package translate

import (
	"strings"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
)

// kubernetes translates the cluster zone.
func (s scope) kubernetes(p corefile.Directive) {
	zones := forwardZones(clusterZones(p, s.block))
	if s.t.zones++; s.t.zones > 1 {
		s.refuse(p, codeZone, "kube-dns serves one cluster zone: "+s.t.zone)
		return
	}
	if len(zones) > 1 {
		s.refuse(p, codeZone, "kube-dns serves one cluster zone; with its code accepted "+zones[0]+" stays")
	}
	options := p.Options
	p.Options = nil
	s.same(p, "--domain="+s.t.zone+".")
	ttl, pods := false, false
	for _, o := range options {
		ttl, pods = ttl || o.Name == "ttl", pods || o.Name == "pods"
		s.kubernetesOption(o)
	}
	if !ttl {
		s.change(p, "MG08", "the TTL of cluster names is 30 s in place of 5 s")
	}
	if !pods {
		s.change(p, "MG11", "names of pods are answered; CoreDNS has them disabled")
	}
}

func (s scope) kubernetesOption(o corefile.Directive) {
	arg := strings.Join(o.Args, " ")
	switch o.Name {
	case "ttl":
		if arg == "30" {
			s.same(o, "30 s always")
		} else {
			s.change(o, "MG08", "the TTL of cluster names is 30 s")
		}
	case "pods":
		if arg == "insecure" {
			s.same(o, "names of pods are answered")
		} else {
			s.change(o, "MG11", "names of pods are answered for any address")
		}
	case "endpoint_pod_names":
		s.change(o, "MG05", "endpoints are named by a hash")
	case "ignore":
		s.change(o, "MG15", "a ClusterIP Service without endpoints is answered")
	case "fallthrough":
		if len(o.Args) == 0 || len(forwardZones(o.Args)) > 0 {
			s.refuse(o, codeThrough, "kube-dns answers NXDOMAIN for names of the zone that no object has; "+
				"write a Service of type ExternalName for each of them")
			return
		}
		s.same(o, "reverse names that no object has go to the upstream servers")
	case "endpoint":
		s.t.flags = append(s.t.flags, "--kube-master-url="+arg)
		s.same(o, "--kube-master-url="+arg)
	case "kubeconfig":
		s.refuse(o, codeFlag, "the file is in CoreDNS's pod: mount it and set --kubecfg-file")
	case "tls",
		"apiserver_qps",
		"apiserver_burst",
		"apiserver_max_inflight",
		"startup_timeout",
		"resyncperiod",
		"upstream":
		s.drop(o, "kube-dns has its own")
	case "namespaces", "namespace_labels", "labels", "multicluster", "zonal", "noendpoints":
		s.refuse(o, codeZone, "kube-dns serves all Services with their endpoints: names would appear or vanish")
	default:
		s.refuse(o, codeUnknown, "this option of kubernetes is unknown")
	}
}
