package convert

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// Compat: the annotation that preceded spec.publishNotReadyAddresses. Services written for
// Kubernetes 1.10 and earlier still have it.
const tolerateUnready = "service.alpha.kubernetes.io/tolerate-unready-endpoints"

// Service returns the fields that names depend on. An ExternalName Service has no ports or
// addresses, whatever its spec contains. A headless Service has no addresses. Invalid addresses are
// skipped.
func Service(s *corev1.Service) kubedns.Service {
	svc := kubedns.Service{
		Key:             kubedns.Key{Namespace: s.Namespace, Name: s.Name},
		PublishNotReady: s.Spec.PublishNotReadyAddresses || s.Annotations[tolerateUnready] == "true",
		Version:         s.ResourceVersion,
		UID:             string(s.UID),
	}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		svc.ExternalName = s.Spec.ExternalName
		return svc
	}
	svc.Ports = servicePorts(s.Spec.Ports)
	ips := s.Spec.ClusterIPs
	if len(ips) == 0 {
		// API servers before 1.20 have a single address.
		ips = []string{s.Spec.ClusterIP}
	}
	if s.Spec.ClusterIP == corev1.ClusterIPNone || ips[0] == corev1.ClusterIPNone {
		svc.Headless = true
		return svc
	}
	svc.ClusterIPs = addresses(ips)
	return svc
}

func servicePorts(ports []corev1.ServicePort) []kubedns.Port {
	var out []kubedns.Port
	for i := range ports {
		p := &ports[i]
		if port, ok := namedPort(p.Name, p.Protocol, p.Port); ok {
			out = append(out, port)
		}
	}
	return out
}

// namedPort reports false for a port without a name, which has no SRV record, and for an invalid
// number.
func namedPort(name string, protocol corev1.Protocol, number int32) (kubedns.Port, bool) {
	if name == "" || number < 1 || number > 65535 {
		return kubedns.Port{}, false
	}
	return kubedns.Port{
		Name:     strings.ToLower(name),
		Protocol: protocolName(protocol),
		Number:   uint16(number),
	}, true
}

// protocolName returns a constant for known protocols, so that each port does not hold a copy.
func protocolName(p corev1.Protocol) string {
	switch p {
	case corev1.ProtocolTCP, "":
		return "tcp"
	case corev1.ProtocolUDP:
		return "udp"
	case corev1.ProtocolSCTP:
		return "sctp"
	default:
		return strings.ToLower(string(p))
	}
}

// addresses parses texts in order, and drops invalid addresses and duplicates.
func addresses(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		if addr, ok := address(s); ok && !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}

// address parses one address. An IPv4-mapped IPv6 address becomes the IPv4 address, which belongs
// in an A record. An address with a zone is only valid on its host.
func address(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
