package convert_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// addrs compares addresses by value; netip.Addr has unexported fields.
var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func meta(labels, annotations map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "shop", Name: "web", UID: "u-1", ResourceVersion: "42",
		Labels: labels, Annotations: annotations,
	}
}

var key = kubedns.Key{Namespace: "shop", Name: "web"}

func ips(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestService(t *testing.T) {
	ports := []corev1.ServicePort{
		{Name: "http", Port: 80},
		{Name: "DNS", Protocol: corev1.ProtocolUDP, Port: 53},
		{Port: 9090, Protocol: corev1.ProtocolTCP},
		{Name: "sigtran", Protocol: corev1.ProtocolSCTP, Port: 2905},
		{Name: "zero", Port: 0},
		{Name: "large", Port: 65536},
	}
	named := []kubedns.Port{
		{Name: "http", Protocol: "tcp", Number: 80},
		{Name: "dns", Protocol: "udp", Number: 53},
		{Name: "sigtran", Protocol: "sctp", Number: 2905},
	}
	tests := []struct {
		name        string
		annotations map[string]string
		spec        corev1.ServiceSpec
		want        kubedns.Service // Key, Version and UID are filled in below
	}{
		{
			name: "one address, only named ports",
			spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", Ports: ports},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1"), Ports: named},
		},
		{
			name: "dual stack",
			spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", ClusterIPs: []string{"10.0.0.1", "2001:DB8::1"}},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1", "2001:db8::1")},
		},
		{
			name: "the list without the single field",
			spec: corev1.ServiceSpec{ClusterIPs: []string{"10.0.0.1"}},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1")},
		},
		{
			name: "node port and load balancer are like any other",
			spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.0.0.1"},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1")},
		},
		{
			name: "no address yet",
			spec: corev1.ServiceSpec{Ports: ports},
			want: kubedns.Service{Ports: named},
		},
		{
			name: "what is no address is skipped, a duplicate too",
			spec: corev1.ServiceSpec{ClusterIP: "bogus",
				ClusterIPs: []string{"bogus", "10.0.0.300", "fe80::1%eth0", "10.0.0.1", "10.0.0.1"}},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1")},
		},
		{
			name: "an IPv4-mapped address is the IPv4 address",
			spec: corev1.ServiceSpec{ClusterIP: "::ffff:10.0.0.1"},
			want: kubedns.Service{ClusterIPs: ips("10.0.0.1")},
		},
		{
			name: "headless",
			spec: corev1.ServiceSpec{ClusterIP: "None", ClusterIPs: []string{"None"}, Ports: ports},
			want: kubedns.Service{Headless: true, Ports: named},
		},
		{
			name: "headless by the list alone",
			spec: corev1.ServiceSpec{ClusterIPs: []string{"None"}},
			want: kubedns.Service{Headless: true},
		},
		{
			name: "external name, rest ignored",
			spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "www.example.com",
				ClusterIP: "10.0.0.1", Ports: ports},
			want: kubedns.Service{ExternalName: "www.example.com"},
		},
		{
			name: "external name with clusterIP None is not headless",
			spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "www.example.com", ClusterIP: "None"},
			want: kubedns.Service{ExternalName: "www.example.com"},
		},
		{
			name: "not ready addresses by the field",
			spec: corev1.ServiceSpec{ClusterIP: "None", PublishNotReadyAddresses: true},
			want: kubedns.Service{Headless: true, PublishNotReady: true},
		},
		{
			name:        "not ready addresses by the annotation",
			annotations: map[string]string{"service.alpha.kubernetes.io/tolerate-unready-endpoints": "true"},
			spec:        corev1.ServiceSpec{ClusterIP: "None"},
			want:        kubedns.Service{Headless: true, PublishNotReady: true},
		},
		{
			name:        "the annotation says no",
			annotations: map[string]string{"service.alpha.kubernetes.io/tolerate-unready-endpoints": "false"},
			spec:        corev1.ServiceSpec{ClusterIP: "None"},
			want:        kubedns.Service{Headless: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			want.Key, want.Version, want.UID = key, "42", "u-1"
			got := convert.Service(&corev1.Service{ObjectMeta: meta(nil, tt.annotations), Spec: tt.spec})
			if diff := cmp.Diff(want, got, addrs); diff != "" {
				t.Errorf("Service (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLocation(t *testing.T) {
	const (
		zone, region       = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
		oldZone, oldRegion = "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"
	)
	tests := []struct {
		name   string
		labels map[string]string
		want   kubedns.Location
		wantOK bool
	}{
		{"no labels", nil, kubedns.Location{}, false},
		{"current labels", map[string]string{zone: "z1", region: "r1"}, kubedns.Location{Zone: "z1", Region: "r1"}, true},
		{"old labels", map[string]string{oldZone: "z0", oldRegion: "r0"}, kubedns.Location{Zone: "z0", Region: "r0"}, true},
		{
			"current labels win",
			map[string]string{zone: "z1", region: "r1", oldZone: "z0", oldRegion: "r0"},
			kubedns.Location{Zone: "z1", Region: "r1"}, true,
		},
		{"one of each", map[string]string{zone: "z1", oldRegion: "r0"}, kubedns.Location{Zone: "z1", Region: "r0"}, true},
		{"region missing", map[string]string{zone: "z1"}, kubedns.Location{Zone: "z1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := convert.Location(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: tt.labels}})
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("Location = %v, %t; want %v, %t", got, ok, tt.want, tt.wantOK)
			}
		})
	}
}
