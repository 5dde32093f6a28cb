package kube_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A fakeAPI is an API server in memory. It is an http.RoundTripper, so that it runs in a test's
// fake time. It speaks protobuf, or JSON like servers behind some proxies. Its fields can be
// changed between requests, with the lock held.
type fakeAPI struct {
	mu       sync.Mutex
	revision int
	held     map[string]map[kubedns.Key]kruntime.Object // by path
	history  []change
	wake     chan struct{} // closed, and replaced, at every event
	cuts     int           // how often all watches were cut off

	json          bool           // speaks only JSON
	minor         string         // of the version; empty: /version is forbidden
	refuse        map[string]int // path -> HTTP status of its lists and watches
	refuseWatch   map[string]int // path -> HTTP status of its watches
	down          bool           // connections are refused
	fail          error          // of each request
	page          string         // answers each request with status 200
	pageOf        string         // path that the page is for; empty: all
	mute          bool           // watches are opened and remain silent
	events        int            // a watch is closed after this many; 0: never
	closes        bool           // watches are closed without a byte
	forgotten     int            // watches from before this revision are Gone
	ignoresStream bool           // sendInitialEvents has no effect, as before 1.27
	refusesStream int            // HTTP status that answers it
	goneAsEvent   bool           // sends Gone in the stream, not before it
	during        []change       // happens while a list of Services is streamed
	losesBookmark bool           // the bookmark that ends a streamed list is lost
	expireAfter   int            // this many continue tokens are answered with 410
	warning       string         // header of each answer

	metadata metadataAPI

	ignoresSelectors bool
	hangs            bool          // accepts requests and never replies
	holdsHeaders     time.Duration // of watches
	hangsWatches     bool          // accepts watches and never replies
	bookmarks        time.Duration // how often they are sent in watches; 0: never
	endless          bool          // watches do not end in time
	stalls           int           // watches opened before it grew become silent

	requests []request
	// before is called for each request, without the lock, and afterList when the reply to a list
	// is ready; both can block.
	before, afterList func(request)
	// Watches of the path delayed get as many changes as there are steps.
	delayed string
	steps   int
}

type change struct {
	path     string
	revision int
	kind     watch.EventType
	object   kruntime.Object
}

// A request is a request that the server received.
type request struct {
	Verb, Path, Selector, Limit, Version string
	Streamed, Continued                  bool
	Agent                                string
}

const (
	servicesPath   = "/api/v1/services"
	endpointsPath  = "/api/v1/endpoints"
	nodesPath      = "/api/v1/nodes"
	configMapsPath = "/api/v1/configmaps"
	slicesPath     = "/apis/discovery.k8s.io/v1/endpointslices"
	betaSlicesPath = "/apis/discovery.k8s.io/v1beta1/endpointslices"
)

// newFakeAPI returns a server of version 1.minor.
func newFakeAPI(minor string) *fakeAPI {
	return &fakeAPI{
		minor: minor, revision: 100, bookmarks: time.Minute,
		held: map[string]map[kubedns.Key]kruntime.Object{},
		wake: make(chan struct{}), refuse: map[string]int{}, refuseWatch: map[string]int{},
	}
}

// change runs f with the lock held and wakes the watches.
func (a *fakeAPI) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	close(a.wake)
	a.wake = make(chan struct{})
}

// put creates or replaces objects.
func (a *fakeAPI) put(objects ...kruntime.Object) {
	a.change(func() {
		for _, o := range objects {
			a.store(o.DeepCopyObject())
		}
	})
}

func (a *fakeAPI) store(o kruntime.Object) {
	path, key := pathOf(o), objectKey(o)
	if a.held[path] == nil {
		a.held[path] = map[kubedns.Key]kruntime.Object{}
	}
	kind := watch.Modified
	if a.held[path][key] == nil {
		kind = watch.Added
	}
	a.stamp(o)
	a.held[path][key] = o
	a.history = append(a.history, change{path, a.revision, kind, o})
}

// remove deletes objects; only their names matter.
func (a *fakeAPI) remove(objects ...kruntime.Object) {
	a.change(func() {
		for _, o := range objects {
			a.drop(o)
		}
	})
}

func (a *fakeAPI) drop(o kruntime.Object) {
	path, key := pathOf(o), objectKey(o)
	if old := a.held[path][key]; old != nil {
		delete(a.held[path], key)
		old = old.DeepCopyObject()
		a.stamp(old)
		a.history = append(a.history, change{path, a.revision, watch.Deleted, old})
	}
}

func (a *fakeAPI) stamp(o kruntime.Object) {
	a.revision++
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(a.revision))
}

// cut ends all watches, like a server that stops.
func (a *fakeAPI) cut() { a.change(func() { a.cuts++ }) }

// forget makes the server drop the history up to now.
func (a *fakeAPI) forget() { a.change(func() { a.forgotten = a.revision }) }

func (a *fakeAPI) seen() []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

func pathOf(o kruntime.Object) string {
	switch o.(type) {
	case *corev1.Service:
		return servicesPath
	case *corev1.Endpoints:
		return endpointsPath
	case *corev1.Node:
		return nodesPath
	case *corev1.ConfigMap:
		return configMapsPath
	case *discoveryv1.EndpointSlice:
		return slicesPath
	case *discoveryv1beta1.EndpointSlice:
		return betaSlicesPath
	}
	panic(fmt.Sprintf("no path for %T", o))
}

func objectKey(o kruntime.Object) kubedns.Key {
	m, _ := meta.Accessor(o)
	return kubedns.Key{Namespace: m.GetNamespace(), Name: m.GetName()}
}

// RoundTrip implements http.RoundTripper.
func (a *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	path, namespace, name := splitPath(r.URL.Path)
	q := r.URL.Query()
	req := request{
		Verb: "list", Path: path, Limit: q.Get("limit"), Version: q.Get("resourceVersion"),
		Selector:  strings.TrimLeft(q.Get("labelSelector")+","+q.Get("fieldSelector"), ","),
		Streamed:  q.Get("sendInitialEvents") == "true",
		Continued: q.Get("continue") != "", Agent: r.UserAgent(),
	}
	switch {
	case name != "":
		req.Verb = "get"
	case q.Get("watch") != "":
		req.Verb = "watch"
	case r.Header.Get("Accept") == metadataAlone:
		req.Verb = "metadata"
	case req.Limit == "1":
		req.Verb = "newest"
	}
	a.mu.Lock()
	a.requests = append(a.requests, req)
	before, down, fail, hangs := a.before, a.down, a.fail, a.hangs || a.hangsWatches && req.Verb == "watch"
	a.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	if hangs {
		<-r.Context().Done()
	}
	if a.holdsHeaders > 0 && req.Verb == "watch" {
		select {
		case <-r.Context().Done():
		case <-time.After(a.holdsHeaders):
		}
	}
	if before != nil {
		before(req)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	resp, after := a.handle(r, req, namespace, name)
	if after != nil {
		after(req)
	}
	return resp, nil
}

func (a *fakeAPI) handle(r *http.Request, req request, namespace, name string) (*http.Response, func(request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path, q := req.Path, r.URL.Query()
	sel := selection{path: path, namespace: namespace, labels: q.Get("labelSelector"), fields: q.Get("fieldSelector")}
	if a.ignoresSelectors {
		sel.labels, sel.fields = "", ""
	}
	if status := a.refusal(req); status != 0 {
		return a.answer(status, statusObject(status)), nil
	}
	if a.page != "" && (a.pageOf == "" || a.pageOf == path) {
		return a.response(200, io.NopCloser(strings.NewReader(a.page))), nil
	}
	switch {
	case path == "/version":
		return a.answer(200, map[string]string{"major": "1", "minor": a.minor, "gitVersion": "v1." + a.minor + ".0"}), nil
	case req.Verb == "get":
		if o := a.held[path][kubedns.Key{Namespace: namespace, Name: name}]; o != nil {
			return a.answer(200, o), nil
		}
		return a.answer(404, statusObject(404)), nil
	case req.Verb == "watch":
		return a.watch(r.Context(), req, sel, q.Get("timeoutSeconds")), nil
	case req.Verb == "metadata":
		return a.listMetadata(sel, req.Version == "0"), a.afterList
	default:
		return a.list(q.Get("limit"), q.Get("continue"), sel), a.afterList
	}
}

// refusal returns the HTTP status of a refused request.
func (a *fakeAPI) refusal(r request) int {
	if r.Path == "/version" && a.minor == "" {
		return 403
	}
	if status := a.refuse[r.Path]; status != 0 {
		return status
	}
	if r.Verb != "watch" {
		return 0
	}
	if status := a.refuseWatch[r.Path]; status != 0 {
		return status
	}
	if a.forgot(r) && !a.goneAsEvent {
		return 410
	}
	if r.Streamed {
		return a.refusesStream
	}
	return 0
}

func (a *fakeAPI) forgot(r request) bool {
	from, _ := strconv.Atoi(r.Version)
	return from > 0 && from < a.forgotten
}

func statusObject(code int) *metav1.Status {
	reason := map[int]metav1.StatusReason{
		401: metav1.StatusReasonUnauthorized, 403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound,
		410: metav1.StatusReasonExpired, 422: metav1.StatusReasonInvalid, 500: metav1.StatusReasonInternalError,
	}[code]
	s := &metav1.Status{
		Status:  "Failure",
		Code:    int32(code),
		Reason:  reason,
		Message: fmt.Sprintf("the fake says %d", code),
	}
	if code == 429 {
		s.Details = &metav1.StatusDetails{RetryAfterSeconds: 30}
	}
	return s
}

func (a *fakeAPI) answer(status int, body any) *http.Response {
	var b []byte
	var err error
	if o, ok := body.(kruntime.Object); ok {
		b, err = a.wire().encode(o)
	} else {
		b, err = json.Marshal(body)
	}
	if err != nil {
		panic(err)
	}
	return a.response(status, io.NopCloser(bytes.NewReader(b)))
}

func (a *fakeAPI) response(status int, body io.ReadCloser) *http.Response {
	header := http.Header{"Content-Type": {a.wire().mediaType}}
	if a.warning != "" {
		header.Add("Warning", a.warning)
	}
	return &http.Response{StatusCode: status, Header: header, Body: body, ProtoMajor: 1, ProtoMinor: 1}
}

func (a *fakeAPI) wire() wire {
	if a.json {
		return jsonWire
	}
	return protobufWire
}

// list replies with the objects in key order.
func (a *fakeAPI) list(limit, token string, sel selection) *http.Response {
	if token != "" && a.expireAfter > 0 {
		a.expireAfter--
		return a.answer(410, statusObject(410))
	}
	items := a.selected(sel)
	from, _ := strconv.Atoi(token)
	listMeta := metav1.ListMeta{ResourceVersion: strconv.Itoa(a.revision)}
	items = items[min(from, len(items)):]
	if n, _ := strconv.Atoi(limit); n > 0 && len(items) > n {
		items = items[:n]
		listMeta.Continue = strconv.Itoa(from + n)
	}
	return a.answer(200, newList(sel.path, listMeta, items))
}

// watch replies with a stream that continues until it is cut.
func (a *fakeAPI) watch(ctx context.Context, req request, sel selection, timeout string) *http.Response {
	at, _ := strconv.Atoi(req.Version)
	var initial []change
	if at == 0 { // the state so far is first, requested or not
		for _, o := range a.selected(sel) {
			initial = append(initial, change{object: o, kind: watch.Added})
		}
		at = a.revision
		if req.Streamed && sel.path == servicesPath {
			initial = append(initial, a.during...)
		}
		if req.Streamed && !a.ignoresStream && !a.losesBookmark {
			initial = append(initial, change{kind: watch.Bookmark, object: bookmark(sel.path, a.revision)})
		}
	}
	if a.forgot(req) {
		initial = append(initial, change{kind: watch.Error, object: statusObject(410)})
	}
	r, w := io.Pipe()
	if seconds, err := strconv.Atoi(timeout); err == nil && !a.endless {
		ctx = endsAfter(ctx, time.Duration(seconds)*time.Second)
	}
	go a.stream(ctx, w, sel, at, initial, a.cuts, a.stalls)
	return a.response(200, r)
}

// errInTime ends a watch in time.
var errInTime = errors.New("the time of the watch is over")

func endsAfter(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errInTime)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (a *fakeAPI) stream(
	ctx context.Context, w *io.PipeWriter, sel selection, at int, next []change, cuts, stalls int,
) {
	defer w.Close()
	enc := a.wire().events(w)
	bookmark := time.NewTimer(2 * a.bookmarks) // the first one of real servers is late, too
	if a.bookmarks == 0 {
		bookmark.Stop()
	}
	defer bookmark.Stop()
	sent := 0
	a.mu.Lock()
	if a.mute {
		next = nil
	}
	a.mu.Unlock()
	for {
		for _, c := range next {
			if enc(c.kind, c.object) != nil {
				return
			}
			sent++
		}
		a.mu.Lock()
		if a.closes || a.events > 0 && sent >= a.events {
			a.mu.Unlock()
			return
		}
		if a.stalls != stalls || a.mute {
			a.mu.Unlock()
			<-ctx.Done()
			return
		}
		next = nil
		for _, c := range a.history {
			if c.revision <= at || c.path != sel.path || !sel.matches(c.object) {
				continue
			}
			if a.delayed == sel.path {
				if a.steps == 0 {
					break
				}
				a.steps--
			}
			next, at = append(next, c), c.revision
		}
		wake, cut := a.wake, a.cuts != cuts || a.down
		a.mu.Unlock()
		if cut {
			return
		}
		if len(next) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errInTime) {
				w.CloseWithError(ctx.Err())
			}
			return
		case <-wake:
		case <-bookmark.C:
			bookmark.Reset(a.bookmarks)
			next = []change{{kind: watch.Bookmark, object: progress(sel.path, at)}}
		}
	}
}
