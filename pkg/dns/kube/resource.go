package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// pageSize is the number of objects that one answer to a list may hold.
const pageSize = 500

// pageTimeout bounds one page. API servers give up after a minute themselves.
const pageTimeout = time.Minute

// openTime is how long an API server may take to answer that a watch is open.
const openTime = 45 * time.Second

// errUnanswered is a watch that was not opened in that time.
var errUnanswered = fmt.Errorf("no answer for %v: %w", openTime, context.DeadlineExceeded)

// A resource is one kind of object of the API, as values of T. It is immutable.
type resource[T any] struct {
	name     string // plural, as in paths
	api      group
	params   kruntime.ParameterCodec
	newList  func() kruntime.Object
	convert  func(kruntime.Object) (T, bool)
	key      func(T) kubedns.Key
	selector selector
}

// A selector restricts a resource. The zero value selects everything.
type selector struct {
	namespace string // empty: all
	fields    string
	labels    string
}

func (c *Client) services() resource[kubedns.Service] {
	return resource[kubedns.Service]{
		name: "services", api: c.core, params: c.params,
		key:     func(s kubedns.Service) kubedns.Key { return s.Key },
		newList: func() kruntime.Object { return &corev1.ServiceList{} },
		convert: func(o kruntime.Object) (kubedns.Service, bool) {
			s, ok := o.(*corev1.Service)
			if !ok {
				return kubedns.Service{}, false
			}
			return c.names.service(convert.Service(s)), true
		},
	}
}

func (c *Client) endpoints() resource[kubedns.Endpoints] {
	return resource[kubedns.Endpoints]{
		name: "endpoints", api: c.core, params: c.params, key: endpointsKey,
		newList: func() kruntime.Object { return &corev1.EndpointsList{} },
		convert: func(o kruntime.Object) (kubedns.Endpoints, bool) {
			e, ok := o.(*corev1.Endpoints)
			if !ok {
				return kubedns.Endpoints{}, false
			}
			return c.names.endpoints(convert.Endpoints(e)), true
		},
	}
}

func (c *Client) endpointSlices() resource[kubedns.Endpoints] {
	return resource[kubedns.Endpoints]{
		name: "endpointslices", api: c.slices, params: c.params, key: endpointsKey,
		newList: func() kruntime.Object { return &discoveryv1.EndpointSliceList{} },
		convert: func(o kruntime.Object) (kubedns.Endpoints, bool) {
			switch s := o.(type) {
			case *watchedSlice:
				return heldSlice(s.Endpoints)
			case *discoveryv1.EndpointSlice:
				e, _ := convert.Slice(s)
				return heldSlice(c.names.endpoints(e))
			}
			return kubedns.Endpoints{}, false
		},
	}
}

func (c *Client) betaEndpointSlices() resource[kubedns.Endpoints] {
	return resource[kubedns.Endpoints]{
		name: "endpointslices", api: c.betaSlices, params: c.params, key: endpointsKey,
		newList: func() kruntime.Object { return &discoveryv1beta1.EndpointSliceList{} },
		convert: func(o kruntime.Object) (kubedns.Endpoints, bool) {
			switch s := o.(type) {
			case *watchedSlice:
				return heldSlice(s.Endpoints)
			case *discoveryv1beta1.EndpointSlice:
				e, _ := convert.SliceV1beta1(s)
				return heldSlice(c.names.endpoints(e))
			}
			return kubedns.Endpoints{}, false
		},
	}
}

// heldSlice keeps a slice of a Service also when it has nothing to say, since
// its addresses are FQDNs: its metadata does not tell it from one that we missed
// (see auditor).
func heldSlice(e kubedns.Endpoints) (kubedns.Endpoints, bool) { return e, e.Service != "" }

func endpointsKey(e kubedns.Endpoints) kubedns.Key { return e.Key }

// where returns the resource restricted to what s selects.
func (r resource[T]) where(s selector) resource[T] {
	r.selector = s
	return r
}

// shrunk returns the resource with its values passed through shrink, one by
// one, as they are read.
func (r resource[T]) shrunk(shrink func(T) T) resource[T] {
	whole := r.convert
	r.convert = func(o kruntime.Object) (T, bool) {
		v, ok := whole(o)
		return shrink(v), ok
	}
	return r
}

func (r resource[T]) request(client rest.Interface, opts metav1.ListOptions) *rest.Request {
	opts.FieldSelector, opts.LabelSelector = r.selector.fields, r.selector.labels
	// Trying again is the caller's: client-go would do so for up to ten
	// seconds and keep the reason to itself.
	return client.Get().Namespace(r.selector.namespace).Resource(r.name).
		VersionedParams(&opts, r.params).MaxRetries(0)
}

// list returns all objects, and the version of the list that a watch can start
// from. It reads the newest state, never a server's older cache: a list must
// not take us back behind what we knew. Each page is translated before the next
// one is asked for.
func (r resource[T]) list(ctx context.Context) (items []T, version string, err error) {
	limit := int64(pageSize)
	for try := 1; ; try++ {
		items = nil
		version, err = r.pages(ctx, limit, func(page []T) bool {
			items = append(items, page...)
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

// pages calls each with the objects of one page after the other, until it
// returns false, and returns the version of the list. Zero means no limit.
func (r resource[T]) pages(ctx context.Context, limit int64, each func([]T) bool) (version string, err error) {
	opts := metav1.ListOptions{Limit: limit}
	for {
		page, m, err := r.page(ctx, opts)
		if err != nil {
			return "", fmt.Errorf("list %s: %w", r.name, err)
		}
		if version == "" {
			version = m.GetResourceVersion()
		}
		if !each(page) || m.GetContinue() == "" {
			return version, nil
		}
		opts.Continue = m.GetContinue()
	}
}

func (r resource[T]) page(ctx context.Context, opts metav1.ListOptions) ([]T, metav1.ListInterface, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	list := r.newList()
	if err := r.request(r.api.calls, opts).Do(ctx).Into(list); err != nil {
		return nil, nil, err
	}
	m, err := meta.ListAccessor(list)
	if err != nil {
		return nil, nil, err
	}
	page := make([]T, 0, meta.LenList(list))
	err = meta.EachListItem(list, func(o kruntime.Object) error {
		if v, ok := r.convert(o); ok {
			page = append(page, v)
		}
		return nil
	})
	return page, &metav1.ListMeta{ResourceVersion: m.GetResourceVersion(), Continue: m.GetContinue()}, err
}

// watch opens a watch, which a server answers at once, though there be nothing
// to tell. A connection that the server forgot ends half a minute after the time
// that it should have been closed at.
func (r resource[T]) watch(ctx context.Context, opts metav1.ListOptions) (*watcher, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(*opts.TimeoutSeconds+30)*time.Second)
	opts.AllowWatchBookmarks, opts.Watch = true, true
	unanswered := time.AfterFunc(openTime, cancel)
	w, err := r.request(r.api.watches, opts).Watch(ctx)
	if !unanswered.Stop() {
		if err == nil {
			(&watcher{Interface: w, cancel: cancel}).Stop()
		}
		err = errUnanswered
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watch %s: %w", r.name, err)
	}
	return &watcher{Interface: w, cancel: cancel}, nil
}

// A watcher is a watch whose Stop returns when its goroutine has ended.
type watcher struct {
	watch.Interface
	cancel context.CancelFunc
}

func (w *watcher) Stop() {
	w.cancel()
	w.Interface.Stop()
	for range w.ResultChan() { // closed by the goroutine as its last act
	}
}

// versionOf returns the resourceVersion of an API object, or nothing.
func versionOf(o kruntime.Object) string {
	if s, ok := o.(*watchedSlice); ok {
		return s.Version
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return m.GetResourceVersion()
}
