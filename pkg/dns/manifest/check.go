package manifest

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// A fieldError is a value that the API server would have refused, too.
type fieldError struct {
	path path
	msg  string
}

func (e *fieldError) Error() string { return e.path.String() + ": " + e.msg }

func refuse(p path, format string, args ...any) error {
	return &fieldError{path: p, msg: fmt.Sprintf(format, args...)}
}

// The checks below are of the fields that end up in names and answers, and no
// others: an API server has not seen these objects.

func checkMeta(m *metav1.ObjectMeta) error {
	if m.Name == "" {
		return refuse(path{"metadata", "name"}, "is missing")
	}
	if len(validation.IsDNS1123Subdomain(m.Name)) > 0 {
		return refuse(path{"metadata", "name"}, "%q is no name: use lower-case letters, digits, \"-\" and \".\"", m.Name)
	}
	if m.Namespace != "" {
		return checkLabel(path{"metadata", "namespace"}, m.Namespace)
	}
	return nil
}

func checkService(s *corev1.Service) error {
	if err := checkLabel(path{"metadata", "name"}, s.Name); err != nil {
		return err
	}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		return checkExternalName(s.Spec.ExternalName)
	}
	for i, ip := range s.Spec.ClusterIPs {
		if err := checkClusterIP(path{"spec", "clusterIPs", i}, ip); err != nil {
			return err
		}
	}
	if err := checkClusterIP(path{"spec", "clusterIP"}, s.Spec.ClusterIP); err != nil {
		return err
	}
	for i, p := range s.Spec.Ports {
		if err := checkPort(path{"spec", "ports", i}, p.Name, p.Port, p.Protocol); err != nil {
			return err
		}
	}
	return nil
}

func checkExternalName(name string) error {
	at := path{"spec", "externalName"}
	if name == "" {
		return refuse(at, "is missing, but the type is ExternalName")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nil
	}
	if len(validation.IsDNS1123Subdomain(strings.ToLower(strings.TrimSuffix(name, ".")))) > 0 {
		return refuse(at, "%q is no domain name", name)
	}
	return nil
}

func checkClusterIP(at path, ip string) error {
	if ip == "" || ip == corev1.ClusterIPNone {
		return nil
	}
	return checkAddr(at, ip)
}

func checkEndpoints(e *corev1.Endpoints) error {
	if err := checkLabel(path{"metadata", "name"}, e.Name); err != nil {
		return err
	}
	for i, s := range e.Subsets {
		if err := checkAddresses(path{"subsets", i, "addresses"}, s.Addresses); err != nil {
			return err
		}
		if err := checkAddresses(path{"subsets", i, "notReadyAddresses"}, s.NotReadyAddresses); err != nil {
			return err
		}
		for j, p := range s.Ports {
			if err := checkPort(path{"subsets", i, "ports", j}, p.Name, p.Port, p.Protocol); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkAddresses(at path, list []corev1.EndpointAddress) error {
	for i, a := range list {
		here := at.with(i)
		if err := checkAddr(here.with("ip"), a.IP); err != nil {
			return err
		}
		if a.Hostname != "" {
			if err := checkLabel(here.with("hostname"), a.Hostname); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSlice(s *discoveryv1.EndpointSlice) error {
	switch s.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
	case discoveryv1.AddressTypeFQDN:
		return nil
	default:
		return refuse(path{"addressType"}, "want IPv4, IPv6 or FQDN, got %q", s.AddressType)
	}
	for i, e := range s.Endpoints {
		if err := checkEndpoint(path{"endpoints", i}, e, s.AddressType); err != nil {
			return err
		}
	}
	for i, p := range s.Ports {
		if p.Port == nil { // stands for all ports; no SRV record can say that
			continue
		}
		if err := checkPort(path{"ports", i}, deref(p.Name), *p.Port, deref(p.Protocol)); err != nil {
			return err
		}
	}
	return nil
}

func checkEndpoint(here path, e discoveryv1.Endpoint, family discoveryv1.AddressType) error {
	for j, a := range e.Addresses {
		at := here.with("addresses").with(j)
		if err := checkAddr(at, a); err != nil {
			return err
		}
		if strings.Contains(a, ":") != (family == discoveryv1.AddressTypeIPv6) {
			return refuse(at, "%s is not of the slice's addressType %s", a, family)
		}
	}
	if e.Hostname == nil || *e.Hostname == "" {
		return nil
	}
	return checkLabel(here.with("hostname"), *e.Hostname)
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func checkPort(at path, name string, number int32, protocol corev1.Protocol) error {
	if number < 1 || number > 65535 {
		return refuse(at.with("port"), "want 1 to 65535, got %d", number)
	}
	switch protocol {
	case "", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		return refuse(at.with("protocol"), "want TCP, UDP or SCTP, got %q", protocol)
	}
	if name == "" {
		return nil
	}
	return checkLabel(at.with("name"), name)
}

func checkAddr(at path, ip string) error {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return refuse(at, "%q is no IP address", ip)
	}
	return nil
}

// checkLabel wants an RFC 1123 label.
func checkLabel(at path, s string) error {
	if len(validation.IsDNS1123Label(s)) > 0 {
		return refuse(at, "%q is no DNS label: use at most 63 lower-case letters, digits and inner \"-\"", s)
	}
	return nil
}
