package manifest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kube-dns/kube-dns/internal/label"
)

// A checker keeps the first value that an API server would refuse, too. It only checks fields that
// end up in names and answers.
type checker struct {
	at, msg string // empty: no error
}

func (c *checker) refuse(at, format string, args ...any) {
	if c.msg == "" {
		c.at, c.msg = at, fmt.Sprintf(format, args...)
	}
}

func (c *checker) meta(o metav1.Object) {
	if len(validation.IsDNS1123Subdomain(o.GetName())) > 0 {
		c.refuse("metadata.name", "%q is not a name: use lower-case letters, digits, \"-\" and \".\"", o.GetName())
	}
	c.label("metadata.namespace", o.GetNamespace())
}

func (c *checker) service(s *corev1.Service) {
	c.label("metadata.name", s.Name)
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		name := strings.ToLower(strings.TrimSuffix(s.Spec.ExternalName, "."))
		if _, err := netip.ParseAddr(name); err != nil && len(validation.IsDNS1123Subdomain(name)) > 0 {
			c.refuse("spec.externalName", "%q is not a domain name, and the type is ExternalName", s.Spec.ExternalName)
		}
		return
	}
	for i, ip := range s.Spec.ClusterIPs {
		if ip != corev1.ClusterIPNone {
			c.addr(item("spec.clusterIPs", i), ip)
		}
	}
	if ip := s.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone {
		c.addr("spec.clusterIP", ip)
	}
	for i, p := range s.Spec.Ports {
		c.port(item("spec.ports", i), p.Name, p.Port, p.Protocol)
	}
}

func (c *checker) endpoints(e *corev1.Endpoints) {
	c.label("metadata.name", e.Name)
	for i, s := range e.Subsets {
		at := item("subsets", i)
		c.addresses(at+".addresses", s.Addresses)
		c.addresses(at+".notReadyAddresses", s.NotReadyAddresses)
		for j, p := range s.Ports {
			c.port(item(at+".ports", j), p.Name, p.Port, p.Protocol)
		}
	}
}

func (c *checker) addresses(at string, list []corev1.EndpointAddress) {
	for i, a := range list {
		c.addr(item(at, i)+".ip", a.IP)
		c.label(item(at, i)+".hostname", a.Hostname)
	}
}

func (c *checker) slice(s *discoveryv1.EndpointSlice) {
	switch s.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
	case discoveryv1.AddressTypeFQDN:
		return
	default:
		c.refuse("addressType", "want IPv4, IPv6 or FQDN, got %q", s.AddressType)
	}
	for i, e := range s.Endpoints {
		at := item("endpoints", i)
		for j, a := range e.Addresses {
			c.addr(item(at+".addresses", j), a)
			if strings.Contains(a, ":") != (s.AddressType == discoveryv1.AddressTypeIPv6) {
				c.refuse(item(at+".addresses", j), "%s is not of the slice's addressType %s", a, s.AddressType)
			}
		}
		c.label(at+".hostname", deref(e.Hostname))
	}
	for i, p := range s.Ports {
		if p.Port != nil { // nil: all ports, which have no SRV record
			c.port(item("ports", i), deref(p.Name), *p.Port, deref(p.Protocol))
		}
	}
}

func item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (c *checker) port(at, name string, number int32, protocol corev1.Protocol) {
	if number < 1 || number > 65535 {
		c.refuse(at+".port", "want 1 to 65535, got %d", number)
	}
	switch protocol {
	case "", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		c.refuse(at+".protocol", "want TCP, UDP or SCTP, got %q", protocol)
	}
	c.label(at+".name", name)
}

func (c *checker) addr(at, ip string) {
	if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
		c.refuse(at, "%q is not an IP address", ip)
	}
}

// label requires an RFC 1123 label or an empty string.
func (c *checker) label(at, s string) {
	if s != "" && label.Reason(s) != "" {
		c.refuse(at, "%q is not a DNS label: use at most 63 lower-case letters, digits and inner \"-\"", s)
	}
}
