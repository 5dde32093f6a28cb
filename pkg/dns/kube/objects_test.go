package kube_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// All test objects live in this namespace.
const ns = "shop"

func meta0(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: ns, Name: name}
}

func newService(name string, spec corev1.ServiceSpec) *corev1.Service {
	return &corev1.Service{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: meta0(name),
		Spec: spec}
}

func clusterIP(name, ip string) *corev1.Service {
	return newService(name, corev1.ServiceSpec{ClusterIP: ip, ClusterIPs: []string{ip}})
}

func headless(name string) *corev1.Service { return clusterIP(name, corev1.ClusterIPNone) }

func externalName(name, target string) *corev1.Service {
	return newService(name, corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: target})
}

// slice is an EndpointSlice of a Service.
func slice(service, suffix string, ips ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"},
		ObjectMeta:  meta0(service + "-" + suffix),
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	s.Labels = map[string]string{"kubernetes.io/service-name": service}
	for _, ip := range ips {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	return s
}

func betaSlice(service, suffix string, ips ...string) *discoveryv1beta1.EndpointSlice {
	s := &discoveryv1beta1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1beta1"},
		ObjectMeta:  meta0(service + "-" + suffix),
		AddressType: discoveryv1beta1.AddressTypeIPv4,
	}
	s.Labels = map[string]string{"kubernetes.io/service-name": service}
	for _, ip := range ips {
		s.Endpoints = append(s.Endpoints, discoveryv1beta1.Endpoint{Addresses: []string{ip}})
	}
	return s
}

func endpoints(service string, ips ...string) *corev1.Endpoints {
	e := &corev1.Endpoints{TypeMeta: metav1.TypeMeta{Kind: "Endpoints", APIVersion: "v1"}, ObjectMeta: meta0(service)}
	if len(ips) > 0 {
		e.Subsets = []corev1.EndpointSubset{{}}
	}
	for _, ip := range ips {
		e.Subsets[0].Addresses = append(e.Subsets[0].Addresses, corev1.EndpointAddress{IP: ip})
	}
	return e
}

func node(n int, labels map[string]string) *corev1.Node {
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%03d", n), Labels: labels},
	}
}

func newConfigMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name}, Data: data,
	}
}
