package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// pageSize is the number of objects that one answer to a list may hold. Pages
// spare the server; we read one object at a time anyway.
const pageSize = 500

// pageTimeout bounds one page. API servers give up after a minute themselves.
const pageTimeout = time.Minute

// A resource is one kind of object of the API, as values of T. It is immutable.
type resource[T any] struct {
	name     string          // plural, as in paths
	kind     metav1.TypeMeta // of one object
	api      rest.Interface
	params   kruntime.ParameterCodec
	decode   decoder[T]
	key      func(T) kubedns.Key
	version  func(T) string // its resourceVersion
	selector selector
}

// A selector restricts a resource. The zero value selects everything.
type selector struct {
	namespace string // empty: all
	fields    string
	labels    string
}

func typeOf(apiVersion, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}
}

func (c *Client) services() resource[kubedns.Service] {
	return resource[kubedns.Service]{
		name: "services", kind: typeOf("v1", "Service"), api: c.core, params: c.params,
		key:     func(s kubedns.Service) kubedns.Key { return s.Key },
		version: func(s kubedns.Service) string { return s.Version },
		decode: decodeAs(func(s *corev1.Service) (kubedns.Service, bool) {
			return c.names.service(convert.Service(s)), true
		}),
	}
}

func (c *Client) endpoints() resource[kubedns.Endpoints] {
	return c.endpointsResource("endpoints", typeOf("v1", "Endpoints"), c.core,
		decodeAs(func(e *corev1.Endpoints) (kubedns.Endpoints, bool) {
			return c.names.endpoints(convert.Endpoints(e)), true
		}))
}

func (c *Client) endpointSlices() resource[kubedns.Endpoints] {
	return c.endpointsResource("endpointslices", typeOf("discovery.k8s.io/v1", "EndpointSlice"), c.slices,
		decodeSlice(c.names.bytes, decodeAs(func(s *discoveryv1.EndpointSlice) (kubedns.Endpoints, bool) {
			e, _ := convert.Slice(s)
			return heldSlice(c.names.endpoints(e))
		})))
}

func (c *Client) betaEndpointSlices() resource[kubedns.Endpoints] {
	return c.endpointsResource("endpointslices", typeOf("discovery.k8s.io/v1beta1", "EndpointSlice"), c.betaSlices,
		decodeSlice(c.names.bytes, decodeAs(func(s *discoveryv1beta1.EndpointSlice) (kubedns.Endpoints, bool) {
			e, _ := convert.SliceV1beta1(s)
			return heldSlice(c.names.endpoints(e))
		})))
}

// heldSlice keeps a slice of a Service also when its addresses are FQDNs: its
// metadata does not tell it from one that was missed (see auditor).
func heldSlice(e kubedns.Endpoints) (kubedns.Endpoints, bool) { return e, e.Service != "" }

func (c *Client) endpointsResource(
	name string, kind metav1.TypeMeta, api rest.Interface, decode decoder[kubedns.Endpoints],
) resource[kubedns.Endpoints] {
	return resource[kubedns.Endpoints]{
		name: name, kind: kind, api: api, params: c.params, decode: decode,
		key:     func(e kubedns.Endpoints) kubedns.Key { return e.Key },
		version: func(e kubedns.Endpoints) string { return e.Version },
	}
}

// where returns the resource restricted to what s selects.
func (r resource[T]) where(s selector) resource[T] {
	r.selector = s
	return r
}

func (r resource[T]) request(opts metav1.ListOptions) *rest.Request {
	opts.FieldSelector, opts.LabelSelector = r.selector.fields, r.selector.labels
	// Trying again is the caller's: client-go would do so for up to ten
	// seconds and keep the reason to itself.
	return r.api.Get().Namespace(r.selector.namespace).Resource(r.name).
		VersionedParams(&opts, r.params).MaxRetries(0)
}

// list returns all objects, and the version of the list that a watch can start
// from. It reads the newest state, never a server's older cache: a list must
// not take us back behind what we held.
func (r resource[T]) list(ctx context.Context) (items []T, version string, err error) {
	limit := int64(pageSize)
	for try := 1; ; try++ {
		items = nil
		version, err = r.pages(ctx, limit, func(v T) bool {
			items = append(items, v)
			return true
		})
		if err == nil || !expired(err) || try == 3 {
			return items, version, err
		}
		// The objects changed faster than we read. After a second time, take
		// all in one piece.
		if try == 2 {
			limit = 0
		}
	}
}

// errStop ends a list early.
var errStop = errors.New("enough was read")

// pages calls each with one object after the other, page by page, until it
// returns false, and returns the version of the list. Zero means no limit.
func (r resource[T]) pages(ctx context.Context, limit int64, each func(T) bool) (version string, err error) {
	opts := metav1.ListOptions{Limit: limit}
	for {
		m, err := r.page(ctx, opts, func(o raw) error {
			v, kept, err := r.decode(o)
			if err == nil && kept && !each(v) {
				err = errStop
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("list %s: %w", r.name, err)
		}
		if version == "" {
			version = m.ResourceVersion
		}
		if m.Continue == "" {
			return version, nil
		}
		opts.Continue = m.Continue
	}
}

func (r resource[T]) page(ctx context.Context, opts metav1.ListOptions, each func(raw) error) (metav1.ListMeta, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	body, err := r.request(opts).Stream(ctx)
	if err != nil {
		return metav1.ListMeta{}, err
	}
	defer body.Close()
	return readList(body, typeOf(r.kind.APIVersion, r.kind.Kind+"List"), each)
}

// newestVersion returns the version of the server's newest state. It reads one
// object at most.
func (r resource[T]) newestVersion(ctx context.Context) (string, error) {
	m, err := r.page(ctx, metav1.ListOptions{Limit: 1}, func(raw) error { return nil })
	if err != nil {
		return "", fmt.Errorf("read the newest version of %s: %w", r.name, err)
	}
	return m.ResourceVersion, nil
}
