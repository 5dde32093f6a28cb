package e2e

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// streaming is the behaviour of a server when a client requests a streamed list, that is, a watch
// with sendInitialEvents.
type streaming int

const (
	// streamIgnored: a plain watch. The objects arrive as events, but never the bookmark that ends
	// the initial list.
	streamIgnored streaming = iota
	// streamSilent: a watch from now on, without objects or a bookmark.
	streamSilent
	// streamRejected: status 422, like servers with the feature gate off.
	streamRejected
)

// An oldServer behaves like an API server of a release that is not available here: it lists and
// watches Services, Endpoints and, if set, EndpointSlices. It always replies in JSON.
type oldServer struct {
	// minor is the y of version 1.y.
	minor     int
	streaming streaming
	// slices is the served version of discovery.k8s.io; can be empty.
	slices string

	server *httptest.Server

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced on every change
	version  int
	objects  map[string]map[string]*unstructured.Unstructured // by path of the list, then namespace/name
	events   []oldEvent
	streamed int
	lists    map[string]int
}

// An oldEvent is one line of a watch.
type oldEvent struct {
	path    string
	version int
	kind    string
	object  *unstructured.Unstructured
}

func (o *oldServer) start(t *testing.T) identity {
	t.Helper()
	o.changed = make(chan struct{})
	o.objects = map[string]map[string]*unstructured.Unstructured{"/api/v1/services": {}, "/api/v1/endpoints": {}}
	if o.slices != "" {
		o.objects["/apis/discovery.k8s.io/"+o.slices+"/endpointslices"] = map[string]*unstructured.Unstructured{}
	}
	o.lists = map[string]int{}
	o.server = httptest.NewTLSServer(o)
	t.Cleanup(func() {
		o.server.CloseClientConnections()
		o.server.Close()
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.server.Certificate().Raw})
	return identity{token: "unused", ca: ca, url: o.server.URL}
}

// set creates or replaces an object.
func (o *oldServer) set(object map[string]any) {
	u := &unstructured.Unstructured{Object: object}
	path := "/api/v1/" + resources[u.GetKind()].Resource
	if u.GetKind() == "EndpointSlice" {
		path = "/apis/" + u.GetAPIVersion() + "/endpointslices"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.version++
	u.SetResourceVersion(strconv.Itoa(o.version))
	u.SetUID("uid-1")
	key, kind := u.GetNamespace()+"/"+u.GetName(), "ADDED"
	if o.objects[path][key] != nil {
		kind = "MODIFIED"
	}
	o.objects[path][key] = u
	o.events = append(o.events, oldEvent{path, o.version, kind, u})
	close(o.changed)
	o.changed = make(chan struct{})
}

// asked returns the number of requests for streamed lists, and of lists of the last part of a path.
func (o *oldServer) asked(resource string) (streamed, lists int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streamed, o.lists[resource]
}

func (o *oldServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, namespace := r.URL.Path, ""
	if before, after, ok := strings.Cut(path, "/namespaces/"); ok {
		var resource string
		namespace, resource, _ = strings.Cut(after, "/")
		path = before + "/" + resource
	}
	o.mu.Lock()
	_, known := o.objects[path]
	o.mu.Unlock()
	query := r.URL.Query()
	switch watch := query.Get("watch"); {
	case !known:
		o.discover(w, r)
	case watch == "true" || watch == "1":
		o.watch(w, r, path, namespace)
	default:
		o.list(w, r, path, namespace)
	}
}

// discover replies to discovery requests.
func (o *oldServer) discover(w http.ResponseWriter, r *http.Request) {
	group := metav1.APIGroup{Name: discoveryGroup}
	var groups []metav1.APIGroup
	if o.slices != "" {
		version := metav1.GroupVersionForDiscovery{GroupVersion: discoveryGroup + "/" + o.slices, Version: o.slices}
		group.Versions, group.PreferredVersion = []metav1.GroupVersionForDiscovery{version}, version
		groups = append(groups, group)
	}
	list := []string{"get", "list", "watch"}
	answers := map[string]any{
		"/version": map[string]string{
			"major": "1", "minor": strconv.Itoa(o.minor), "gitVersion": fmt.Sprintf("v1.%d.0", o.minor),
		},
		"/api":  metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/apis": metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: groups},
		"/api/v1": metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1",
			APIResources: []metav1.APIResource{
				{Name: "services", Namespaced: true, Kind: "Service", Verbs: list},
				{Name: "endpoints", Namespaced: true, Kind: "Endpoints", Verbs: list},
			},
		},
	}
	if o.slices != "" {
		answers["/apis/"+discoveryGroup] = group
		answers["/apis/"+discoveryGroup+"/"+o.slices] = metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: discoveryGroup + "/" + o.slices,
			APIResources: []metav1.APIResource{{Name: "endpointslices", Namespaced: true, Kind: "EndpointSlice", Verbs: list}},
		}
	}
	answer, ok := answers[r.URL.Path]
	if !ok {
		writeStatus(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// wanted returns a filter for the selection of a request.
func wanted(r *http.Request, namespace string) (func(*unstructured.Unstructured) bool, error) {
	byLabel, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return nil, err
	}
	byField, err := fields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	if err != nil {
		return nil, err
	}
	return func(u *unstructured.Unstructured) bool {
		set := fields.Set{"metadata.name": u.GetName(), "metadata.namespace": u.GetNamespace()}
		return (namespace == "" || u.GetNamespace() == namespace) && byLabel.Matches(labels.Set(u.GetLabels())) &&
			byField.Matches(set)
	}, nil
}

func (o *oldServer) list(w http.ResponseWriter, r *http.Request, path, namespace string) {
	want, err := wanted(r, namespace)
	if err != nil {
		writeStatus(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	resource := path[strings.LastIndexByte(path, '/')+1:]
	o.lists[resource]++
	items := []any{}
	for _, key := range slices.Sorted(maps.Keys(o.objects[path])) {
		if u := o.objects[path][key]; want(u) {
			items = append(items, u.Object)
		}
	}
	kinds := map[string]string{"services": "ServiceList", "endpoints": "EndpointsList",
		"endpointslices": "EndpointSliceList"}
	apiVersion := strings.TrimPrefix(strings.TrimPrefix(path[:strings.LastIndexByte(path, '/')], "/apis/"), "/api/")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": kinds[resource], "apiVersion": apiVersion, "items": items,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(o.version)},
	})
}

// watch sends events until the client disconnects. From version "" it starts with all objects, like
// the API server.
func (o *oldServer) watch(w http.ResponseWriter, r *http.Request, path, namespace string) {
	want, err := wanted(r, namespace)
	if err != nil {
		writeStatus(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	query := r.URL.Query()
	from, _ := strconv.Atoi(query.Get("resourceVersion")) // "" is 0: everything
	if query.Has("sendInitialEvents") {
		o.mu.Lock()
		o.streamed++
		if o.streaming == streamSilent {
			from = o.version
		}
		o.mu.Unlock()
		if o.streaming == streamRejected {
			writeStatus(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
				"sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is "+
					"enabled")
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher := w.(http.Flusher)
	flusher.Flush()
	encoder := json.NewEncoder(w)
	for {
		o.mu.Lock()
		events, changed := o.events, o.changed
		o.mu.Unlock()
		for _, e := range events {
			if e.path != path || e.version <= from || !want(e.object) {
				continue
			}
			if encoder.Encode(map[string]any{"type": e.kind, "object": e.object.Object}) != nil {
				return
			}
		}
		if len(events) > 0 {
			from = max(from, events[len(events)-1].version)
		}
		flusher.Flush()
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}
