package kube_test

import (
	"bytes"
	"fmt"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// A loop is a stream that starts again at its end.
type loop struct {
	all, rest []byte
}

func (l *loop) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		l.rest = l.all
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// BenchmarkUpdate changes one address of a headless Service with 50: from the event in protobuf to
// the published value.
func BenchmarkUpdate(b *testing.B) {
	var events bytes.Buffer
	for i := range 200 {
		s := slice("web", "abcde")
		s.UID, s.ResourceVersion = "5f0c9c1e-8d4f-4a52-9c11-0d9d5d0d6c3e", fmt.Sprint(1_000_000+i)
		s.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate,
			APIVersion: "discovery.k8s.io/v1",
			FieldsV1: metav1.NewFieldsV1(`{"f:addressType":{},"f:endpoints":{},` +
				`"f:metadata":{"f:labels":{"f:kubernetes.io/service-name":{}}},"f:ports":{}}`),
		}}
		for j := range 50 {
			ip := fmt.Sprintf("10.1.0.%d", j)
			if j == i%50 {
				ip = fmt.Sprintf("10.2.0.%d", i)
			}
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{ip}, Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true),
					Terminating: new(false)},
			})
		}
		s.Ports = []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(80))}}
		events.Write(frames(b, watch.Modified, s))
	}
	r, err := kube.NewSliceReader(false, &loop{all: events.Bytes()})
	if err != nil {
		b.Fatal(err)
	}
	zone := kubedns.NewZone(kubedns.Options{})
	zone.SetService(kubedns.Service{Key: kubedns.Key{Namespace: ns, Name: "web"}, Headless: true})
	b.ReportAllocs()
	for b.Loop() {
		_, e, _, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		zone.SetEndpoints(e)
		zone.Publish()
	}
}
