package convert_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

func endpoint(addr, hostname string, ready bool) kubedns.Endpoint {
	return kubedns.Endpoint{Addr: ips(addr)[0], Hostname: hostname, Ready: ready}
}

func TestEndpoints(t *testing.T) {
	tests := []struct {
		name    string
		subsets []corev1.EndpointSubset
		want    []kubedns.Subset
		ready   bool
	}{
		{name: "no subsets"},
		{
			name: "ready and not ready, host names in lower case",
			subsets: []corev1.EndpointSubset{{
				Addresses:         []corev1.EndpointAddress{{IP: "10.1.0.1", Hostname: "Web-0"}},
				NotReadyAddresses: []corev1.EndpointAddress{{IP: "10.1.0.2"}},
				Ports:             []corev1.EndpointPort{{Name: "http", Port: 8080}, {Port: 9090}},
			}},
			want: []kubedns.Subset{{
				Ports:     []kubedns.Port{{Name: "http", Protocol: "tcp", Number: 8080}},
				Endpoints: []kubedns.Endpoint{endpoint("10.1.0.1", "web-0", true), endpoint("10.1.0.2", "", false)},
			}},
			ready: true,
		},
		{
			name: "only not ready",
			subsets: []corev1.EndpointSubset{{
				NotReadyAddresses: []corev1.EndpointAddress{{IP: "10.1.0.2"}},
			}},
			want: []kubedns.Subset{{Endpoints: []kubedns.Endpoint{endpoint("10.1.0.2", "", false)}}},
		},
		{
			name: "what is no address is skipped, and so is a subset without any",
			subsets: []corev1.EndpointSubset{
				{Addresses: []corev1.EndpointAddress{{IP: "bogus"}}, Ports: []corev1.EndpointPort{{Name: "http", Port: 80}}},
				{Addresses: []corev1.EndpointAddress{{IP: ""}, {IP: "2001:db8::9"}}},
			},
			want:  []kubedns.Subset{{Endpoints: []kubedns.Endpoint{endpoint("2001:db8::9", "", true)}}},
			ready: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := kubedns.Endpoints{Key: key, Service: "web", Subsets: tt.want, AnyReady: tt.ready, Version: "42", UID: "u-1"}
			got := convert.Endpoints(&corev1.Endpoints{ObjectMeta: meta(nil, nil), Subsets: tt.subsets})
			if diff := cmp.Diff(want, got, addrs); diff != "" {
				t.Errorf("Endpoints (-want +got):\n%s", diff)
			}
		})
	}
}

// A sliceCase is an EndpointSlice and its addresses.
type sliceCase struct {
	name        string
	labels      map[string]string
	addressType string
	endpoints   []sliceEndpoint
	ports       []slicePort
	want        kubedns.Endpoints
	wantOK      bool
}

type sliceEndpoint struct {
	addresses []string
	hostname  *string
	ready     *bool
}

type slicePort struct {
	name     *string
	protocol *corev1.Protocol
	port     *int32
}

var ofWeb = map[string]string{"kubernetes.io/service-name": "web"}

var sliceCases = []sliceCase{
	{
		name:        "ready, not ready, not told",
		labels:      ofWeb,
		addressType: "IPv4",
		endpoints: []sliceEndpoint{
			{addresses: []string{"10.1.0.1"}, hostname: new("Web-0"), ready: new(true)},
			{addresses: []string{"10.1.0.2"}, ready: new(false)},
			{addresses: []string{"10.1.0.3"}},
		},
		ports: []slicePort{
			{name: new("http"), port: new(int32(8080))},
			{name: new("dns"), protocol: new(corev1.ProtocolUDP), port: new(int32(53))},
			{name: new(""), port: new(int32(1))},
			{port: new(int32(2))},
			{name: new("all-ports")},
		},
		want: kubedns.Endpoints{
			Service: "web",
			Subsets: []kubedns.Subset{{
				Ports: []kubedns.Port{
					{Name: "http", Protocol: "tcp", Number: 8080},
					{Name: "dns", Protocol: "udp", Number: 53},
				},
				Endpoints: []kubedns.Endpoint{
					endpoint("10.1.0.1", "web-0", true),
					endpoint("10.1.0.2", "", false),
					endpoint("10.1.0.3", "", true),
				},
			}},
			AnyReady: true,
		},
		wantOK: true,
	},
	{
		name:        "all addresses of an endpoint, without those that are none",
		labels:      ofWeb,
		addressType: "IPv6",
		endpoints:   []sliceEndpoint{{addresses: []string{"2001:db8::1", "bogus", "2001:DB8::2"}, ready: new(false)}},
		want: kubedns.Endpoints{
			Service: "web",
			Subsets: []kubedns.Subset{{Endpoints: []kubedns.Endpoint{
				endpoint("2001:db8::1", "", false), endpoint("2001:db8::2", "", false),
			}}},
		},
		wantOK: true,
	},
	{
		name:        "empty",
		labels:      ofWeb,
		addressType: "IPv4",
		want:        kubedns.Endpoints{Service: "web"},
		wantOK:      true,
	},
	{
		name:        "names instead of addresses",
		labels:      ofWeb,
		addressType: "FQDN",
		endpoints:   []sliceEndpoint{{addresses: []string{"www.example.com"}}},
		want:        kubedns.Endpoints{Service: "web"},
	},
	{
		name:        "of no Service",
		addressType: "IPv4",
		endpoints:   []sliceEndpoint{{addresses: []string{"10.1.0.1"}}},
		want:        kubedns.Endpoints{},
	},
}

func TestSlice(t *testing.T) {
	for _, tt := range sliceCases {
		t.Run(tt.name, func(t *testing.T) {
			s := &discoveryv1.EndpointSlice{ObjectMeta: meta(tt.labels, nil),
				AddressType: discoveryv1.AddressType(tt.addressType)}
			for _, e := range tt.endpoints {
				s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
					Addresses: e.addresses, Hostname: e.hostname, Conditions: discoveryv1.EndpointConditions{Ready: e.ready},
				})
			}
			for _, p := range tt.ports {
				s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: p.name, Protocol: p.protocol, Port: p.port})
			}
			got, ok := convert.Slice(s)
			checkSlice(t, tt, got, ok)
		})
	}
}

func checkSlice(t *testing.T, tt sliceCase, got kubedns.Endpoints, ok bool) {
	t.Helper()
	want := tt.want
	want.Key, want.Version, want.UID = key, "42", "u-1"
	if ok != tt.wantOK {
		t.Errorf("ok = %t, want %t", ok, tt.wantOK)
	}
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}
