package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

var labels = map[string]string{"load": "true"}

// A loader creates and deletes the objects of its options.
type loader struct {
	options
	cs *kubernetes.Clientset
}

func (l *loader) fill(ctx context.Context) error {
	perService := (l.perHeadless + l.sliceSize - 1) / l.sliceSize
	for _, kind := range []struct {
		what   string
		n      int
		create func(ctx context.Context, i int) error
	}{
		{"namespaces", l.namespaces, l.createNamespace},
		{"services", l.services, l.createService},
		{"headless services", l.headless, l.createHeadless},
		{"endpoint slices", l.headless * perService, func(ctx context.Context, i int) error {
			return l.createSlice(ctx, i/perService, i%perService)
		}},
	} {
		if err := l.step(ctx, kind.what, kind.n, kind.create); err != nil {
			return err
		}
	}
	return l.list(ctx)
}

func (l *loader) namespace(i int) string { return fmt.Sprintf("%s-%d", l.prefix, i%l.namespaces) }

func (l *loader) createNamespace(ctx context.Context, i int) error {
	_, err := l.cs.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: l.namespace(i), Labels: labels},
	}, metav1.CreateOptions{})
	return err
}

func (l *loader) createService(ctx context.Context, i int) error {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("svc-%d", i), Labels: labels},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	if l.dualStack {
		policy := corev1.IPFamilyPolicyRequireDualStack
		svc.Spec.IPFamilyPolicy = &policy
	}
	for _, base := range []string{l.ipBase, l.ip6Base} {
		if base == "" {
			continue
		}
		ip, err := nth(base, i)
		if err != nil {
			return err
		}
		svc.Spec.ClusterIPs = append(svc.Spec.ClusterIPs, ip)
	}
	if len(svc.Spec.ClusterIPs) > 0 {
		svc.Spec.ClusterIP = svc.Spec.ClusterIPs[0]
	}
	_, err := l.cs.CoreV1().Services(l.namespace(i)).Create(ctx, svc, metav1.CreateOptions{})
	return err
}

func (l *loader) createHeadless(ctx context.Context, i int) error {
	_, err := l.cs.CoreV1().Services(l.namespace(i)).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("headless-%d", i), Labels: labels},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Ports:     []corev1.ServicePort{{Name: "http", Port: 80}},
		},
	}, metav1.CreateOptions{})
	return err
}

// createSlice creates the n-th EndpointSlice of a headless Service. Every address in the cluster is
// unique.
func (l *loader) createSlice(ctx context.Context, service, n int) error {
	name := fmt.Sprintf("headless-%d", service)
	port, portName, proto, yes := int32(80), "http", corev1.ProtocolTCP, true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", name, n),
			Labels: map[string]string{
				"load":                       "true",
				discoveryv1.LabelServiceName: name,
				discoveryv1.LabelManagedBy:   "load",
			},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port, Protocol: &proto}},
	}
	for i := n * l.sliceSize; i < min((n+1)*l.sliceSize, l.perHeadless); i++ {
		x := service*l.perHeadless + i
		ep := discoveryv1.Endpoint{
			Addresses:  []string{netip.AddrFrom4([4]byte{10, 128 + byte(x>>16), byte(x >> 8), byte(x)}).String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &yes},
		}
		if l.hostnames {
			host := fmt.Sprintf("host-%d", i)
			ep.Hostname = &host
		}
		s.Endpoints = append(s.Endpoints, ep)
	}
	_, err := l.cs.DiscoveryV1().EndpointSlices(l.namespace(service)).Create(ctx, s, metav1.CreateOptions{})
	return err
}

// nth is the address n places after base.
func nth(base string, n int) (string, error) {
	addr, err := netip.ParseAddr(base)
	if err != nil {
		return "", fmt.Errorf("-cluster-ip-base or -cluster-ip6-base: %w", err)
	}
	b := addr.AsSlice()
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	addr, _ = netip.AddrFromSlice(b)
	return addr.String(), nil
}
