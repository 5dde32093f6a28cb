package convert

import (
	corev1 "k8s.io/api/core/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// Location returns the location of a node from its topology.kubernetes.io labels, or from the
// failure-domain.beta.kubernetes.io labels used before Kubernetes 1.17. It reports false unless
// zone and region are both set.
func Location(n *corev1.Node) (kubedns.Location, bool) {
	loc := kubedns.Location{
		Zone:   label(n, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone),
		Region: label(n, corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaRegion),
	}
	return loc, loc.Zone != "" && loc.Region != ""
}

func label(n *corev1.Node, name, oldName string) string {
	if v := n.Labels[name]; v != "" {
		return v
	}
	return n.Labels[oldName]
}
