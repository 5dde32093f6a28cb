package kube

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

func typeOf(apiVersion, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}
}

func (c *Client) services() listwatch.Resource[kubedns.Service] {
	return listwatch.Resource[kubedns.Service]{
		Name: "services", Kind: typeOf("v1", "Service"), API: c.api,
		Key:     func(s kubedns.Service) listwatch.Key { return listwatch.Key(s.Key) },
		Version: func(s kubedns.Service) string { return s.Version },
		Decode: listwatch.DecodeAs(func(s *corev1.Service) (kubedns.Service, bool) {
			return shareService(convert.Service(s)), true
		}),
	}
}

func (c *Client) endpoints() listwatch.Resource[kubedns.Endpoints] {
	return c.endpointsResource("endpoints", typeOf("v1", "Endpoints"),
		listwatch.DecodeAs(func(e *corev1.Endpoints) (kubedns.Endpoints, bool) {
			return shareEndpoints(convert.Endpoints(e)), true
		}))
}

// endpointSlices decodes both versions as v1: the fields read are the same. A slice of a Service is
// kept even if its addresses are FQDNs. Its metadata does not distinguish it from a missed one (see
// auditor).
func (c *Client) endpointSlices(apiVersion string) listwatch.Resource[kubedns.Endpoints] {
	return c.endpointsResource("endpointslices", typeOf(apiVersion, "EndpointSlice"),
		listwatch.DecodeInto(takeSlice, giveSlice, func(s *discoveryv1.EndpointSlice) (kubedns.Endpoints, bool) {
			e, _ := convert.Slice(s)
			return shareEndpoints(e), e.Service != ""
		}))
}

// usedSlices are slices to decode into. Their arrays of endpoints are most of the garbage of a
// list.
var usedSlices = sync.Pool{New: func() any { return new(discoveryv1.EndpointSlice) }}

func takeSlice() *discoveryv1.EndpointSlice { return usedSlices.Get().(*discoveryv1.EndpointSlice) }

func giveSlice(s *discoveryv1.EndpointSlice) {
	clear(s.Endpoints)
	*s = discoveryv1.EndpointSlice{Endpoints: s.Endpoints[:0]}
	usedSlices.Put(s)
}

func (c *Client) endpointsResource(
	name string, kind metav1.TypeMeta, decode listwatch.Decoder[kubedns.Endpoints],
) listwatch.Resource[kubedns.Endpoints] {
	return listwatch.Resource[kubedns.Endpoints]{
		Name: name, Kind: kind, API: c.api, Decode: decode, Trigger: triggerTime,
		Key:     func(e kubedns.Endpoints) listwatch.Key { return listwatch.Key(e.Key) },
		Version: func(e kubedns.Endpoints) string { return e.Version },
	}
}

// triggerTime returns when the change of a Service or its pods happened that caused this write of
// endpoints. It is zero without a valid annotation.
func triggerTime(r listwatch.Raw) time.Time {
	at, err := time.Parse(time.RFC3339Nano, r.Annotation(corev1.EndpointsLastChangeTriggerTime))
	if err != nil {
		return time.Time{}
	}
	return at
}
