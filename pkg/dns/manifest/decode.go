package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

const (
	// maxListDepth bounds Lists within Lists: each level is parsed once more.
	maxListDepth = 8
	// maxWarnings bounds the warnings about one file.
	maxWarnings = 10
	// defaultNamespace is what kubectl uses, too.
	defaultNamespace = "default"
)

// Objects are what one file declares, as kube-dns needs it. An object that is
// declared twice in the file is there once, as it was declared last.
type Objects struct {
	Services []*kubedns.Service
	// Slices are the EndpointSlices. Those that name no Service, or have
	// FQDNs for addresses, are among the ignored objects.
	Slices []*kubedns.Endpoints
	// Endpoints are the Endpoints objects. Their Key.Name begins with
	// "endpoints/", so that none is taken for a slice of the same name.
	Endpoints []*kubedns.Endpoints
	Nodes     []Node
	// Ignored counts the objects of other kinds.
	Ignored int
	// Warnings name, with file and line, what can be read but is hardly meant;
	// ten at most.
	Warnings []string
}

// A Node is a Node object; Location is nil when its labels do not tell.
type Node struct {
	Name     string
	Location *kubedns.Location
}

// Decode reads manifests, in YAML or JSON, as kubectl would: documents divided
// by "---", or JSON objects one after the other, each an object or a List of
// them. The namespace is "default" unless given. Unknown fields are ignored with
// a warning; upper and lower case of a field's name matter.
//
// file is the name that errors and warnings begin with, followed by the line
// ("web.yaml:12: Service default/web: spec.ports[0].port: ..."). Decode stops
// at the first error, and then returns no objects. It may be called with any
// bytes at all.
func Decode(file string, data []byte) (Objects, error) {
	return (&decoder{file: file, seen: map[string]seen{}}).decode(data)
}

// DecodeUnchecked is [Decode] for objects that an API server has accepted: it
// does not check names, addresses and ports again, and warns of nothing.
func DecodeUnchecked(file string, data []byte) (Objects, error) {
	d := &decoder{file: file, seen: map[string]seen{}, unchecked: true}
	objects, err := d.decode(data)
	objects.Warnings = nil
	return objects, err
}

func (d *decoder) decode(data []byte) (Objects, error) {
	docs, err := documents(d.file, data)
	if err != nil {
		return Objects{}, err
	}
	for _, doc := range docs {
		if err := d.object(place{doc: doc}, doc.json, metav1.TypeMeta{}); err != nil {
			return Objects{}, err
		}
	}
	return d.out, nil
}

// A decoder collects the objects of one file.
type decoder struct {
	file string
	out  Objects
	seen map[string]seen // by kind and key
	// unchecked takes the objects as they are.
	unchecked bool
}

// seen is where an object was declared, and where it is in its list of Objects.
type seen struct {
	at    place
	index int
}

// A place is a value of a document.
type place struct {
	doc  *document
	path path
}

func (p place) line() int { return p.doc.lineOf(p.path) }

func (p place) child(steps ...any) place {
	return place{doc: p.doc, path: append(slices.Clip(p.path), steps...)}
}

// object decodes one object, or all of a List. outer is what the objects of
// the surrounding List are, if they do not say it themselves.
func (d *decoder) object(at place, raw []byte, outer metav1.TypeMeta) error {
	var h metav1.TypeMeta
	if err := d.unmarshal(at, raw, &h); err != nil {
		return err
	}
	if h.Kind == "" && h.APIVersion == "" {
		h = outer
	}
	switch {
	case h.Kind == "":
		return d.errorf(at, "kind is missing: is this a Kubernetes manifest?")
	case h.APIVersion == "":
		return d.errorf(at, "%s: apiVersion is missing", h.Kind)
	}
	switch group := h.GroupVersionKind().Group; {
	case h.APIVersion == "v1" && h.Kind == "Service":
		return d.service(at, raw)
	case h.APIVersion == "v1" && h.Kind == "Endpoints":
		return d.endpoints(at, raw)
	case h.APIVersion == "v1" && h.Kind == "Node":
		return d.node(at, raw)
	case isDiscovery(h.APIVersion) && h.Kind == "EndpointSlice":
		return d.slice(at, raw)
	case strings.HasSuffix(h.Kind, "List") && (group == "" || isDiscovery(h.APIVersion)):
		return d.list(at, raw, metav1.TypeMeta{APIVersion: h.APIVersion, Kind: strings.TrimSuffix(h.Kind, "List")})
	}
	d.out.Ignored++
	return nil
}

// isDiscovery says whether we know EndpointSlices of that version. Where the
// two differ (the topology of an endpoint) no name depends on it.
func isDiscovery(apiVersion string) bool {
	return apiVersion == "discovery.k8s.io/v1" || apiVersion == "discovery.k8s.io/v1beta1"
}

// list decodes the objects of a List. The items of a kind of list of their own
// (ServiceList) need not say what they are.
func (d *decoder) list(at place, raw []byte, items metav1.TypeMeta) error {
	if len(at.path) >= 2*maxListDepth {
		return d.errorf(at, "more than %d Lists within each other", maxListDepth)
	}
	var l struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := d.unmarshal(at, raw, &l); err != nil {
		return err
	}
	for i, item := range l.Items {
		if err := d.object(at.child("items", i), item, items); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) service(at place, raw []byte) error {
	var o corev1.Service
	if err := d.read(at, raw, &o, &o.ObjectMeta, func() error { return checkService(&o) }); err != nil {
		return err
	}
	s := convert.Service(&o)
	if len(s.ClusterIPs) == 0 && !s.Headless && s.ExternalName == "" {
		d.warn(at, "Service %s has no spec.clusterIP, which the API server would choose: its name gets no address", s.Key)
	}
	declare(d, at, "Service", s.Key.String(), &d.out.Services, &s)
	return nil
}

func (d *decoder) endpoints(at place, raw []byte) error {
	var o corev1.Endpoints
	if err := d.read(at, raw, &o, &o.ObjectMeta, func() error { return checkEndpoints(&o) }); err != nil {
		return err
	}
	e := convert.Endpoints(&o)
	id := e.Key.String()
	e.Name = "endpoints/" + e.Name
	declare(d, at, "Endpoints", id, &d.out.Endpoints, &e)
	return nil
}

func (d *decoder) slice(at place, raw []byte) error {
	var o discoveryv1.EndpointSlice
	if err := d.read(at, raw, &o, &o.ObjectMeta, func() error { return checkSlice(&o) }); err != nil {
		return err
	}
	e, ok := convert.Slice(&o)
	if !ok {
		if o.Labels[discoveryv1.LabelServiceName] == "" {
			d.warn(at, "EndpointSlice %s has no label %s: it belongs to no Service", e.Key, discoveryv1.LabelServiceName)
		}
		d.out.Ignored++
		return nil
	}
	declare(d, at, "EndpointSlice", e.Key.String(), &d.out.Slices, &e)
	return nil
}

func (d *decoder) node(at place, raw []byte) error {
	var o corev1.Node
	if err := d.read(at, raw, &o, &o.ObjectMeta, func() error { return nil }); err != nil {
		return err
	}
	n := Node{Name: o.Name}
	if l, ok := convert.Location(&o); ok {
		n.Location = &l
	}
	declare(d, at, "Node", n.Name, &d.out.Nodes, n)
	return nil
}

// read decodes raw into the object o, whose metadata is meta, gives it the
// default namespace and checks it.
func (d *decoder) read(at place, raw []byte, o any, meta *metav1.ObjectMeta, check func() error) error {
	unknown, err := kjson.UnmarshalStrict(raw, o, kjson.DisallowUnknownFields)
	if err != nil {
		return d.explain(at, raw, o, err)
	}
	if d.unchecked {
		return nil
	}
	d.warnUnknown(at, raw, unknown)
	if _, clusterWide := o.(*corev1.Node); !clusterWide && meta.Namespace == "" {
		meta.Namespace = defaultNamespace
	}
	err = checkMeta(meta)
	if err == nil {
		err = check()
	}
	if f, ok := errors.AsType[*fieldError](err); ok {
		where := at.child(f.path...)
		return fmt.Errorf("%s:%d: %s: %w", d.file, where.line(), title(raw), f)
	}
	return err
}

// warnUnknown warns about fields that the API does not have. Their names have
// to be written in the API's letters: clusterip is not clusterIP.
func (d *decoder) warnUnknown(at place, raw []byte, unknown []error) {
	for _, err := range unknown {
		f, ok := errors.AsType[kjson.FieldError](err)
		// The topology of an endpoint is a field of discovery.k8s.io/v1beta1.
		if ok && !strings.HasSuffix(f.FieldPath(), "].topology") {
			where := at.child(fieldPath(f.FieldPath())...)
			d.warn(where, "%s: unknown field %s is ignored", title(raw), f.FieldPath())
		}
	}
}

// declare puts an object into its list of Objects, in the place of an earlier
// one of the same name.
func declare[T any](d *decoder, at place, kind, key string, list *[]T, value T) {
	id := kind + " " + key
	before, twice := d.seen[id]
	if !twice {
		d.seen[id] = seen{at: at, index: len(*list)}
		*list = append(*list, value)
		return
	}
	if len(d.out.Warnings) < maxWarnings { // finding lines takes time
		d.warn(at, "%s is declared again, first at line %d; what is here counts", id, before.at.line())
	}
	d.seen[id] = seen{at: at, index: before.index}
	(*list)[before.index] = value
}

func (d *decoder) warn(at place, format string, args ...any) {
	if len(d.out.Warnings) < maxWarnings {
		d.out.Warnings = append(d.out.Warnings, fmt.Sprintf("%s:%d: ", d.file, at.line())+fmt.Sprintf(format, args...))
	}
}

func (d *decoder) errorf(at place, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", d.file, at.line(), fmt.Errorf(format, args...))
}

// unmarshal decodes raw, the JSON of the value at a place.
func (d *decoder) unmarshal(at place, raw []byte, into any) error {
	err := kjson.UnmarshalCaseSensitivePreserveInts(raw, into)
	if err == nil {
		return nil
	}
	return d.explain(at, raw, into, err)
}

// explain turns an error of decoding raw into one that a person can act upon.
func (d *decoder) explain(at place, raw []byte, into any, err error) error {
	// Only the standard library returns the offset of a value of the wrong type.
	if standard := json.Unmarshal(raw, into); standard != nil {
		err = standard
	}
	name := title(raw)
	if name != "" {
		name += ": "
	}
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return d.errorf(at, "%s%w", name, err)
	}
	steps, got := valueAt(raw, t.Offset)
	if !strings.HasPrefix(steps.fields(), t.Field) { // a field with a decoder of its own: the offset counts from somewhere else
		steps, got = fieldPath(t.Field), t.Value
	}
	field := steps.String()
	if field != "" {
		field += ": "
	}
	want := typeName(t.Type)
	if want == "text" && got != "a list" && !strings.HasPrefix(got, "an object") {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return d.errorf(at.child(steps...), "%s%swant %s, got %s", name, field, want, got)
}

// title names an object as kubectl would, as far as it can be read.
func title(raw []byte) string {
	var o struct {
		Kind     any `json:"kind"`
		Metadata struct {
			Name      any `json:"name"`
			Namespace any `json:"namespace"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(raw, &o) // what is there is enough
	kind, _ := o.Kind.(string)
	name, _ := o.Metadata.Name.(string)
	namespace, _ := o.Metadata.Namespace.(string)
	switch {
	case name == "":
		return kind
	case namespace == "":
		return strings.TrimSpace(kind + " " + name)
	}
	return strings.TrimSpace(kind + " " + namespace + "/" + name)
}

// typeName says in a manifest's terms what a Go type is written as.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object (key: value)"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
