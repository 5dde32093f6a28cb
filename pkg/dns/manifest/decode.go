package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

const (
	// maxListDepth bounds Lists within Lists: each level is parsed once more.
	maxListDepth = 8
	// defaultNamespace is also that of kubectl.
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
	// Warnings are about likely mistakes, with file and line; ten at most.
	Warnings []string
}

// A Node is a Node object. Location is nil when it lacks the labels.
type Node struct {
	Name     string
	Location *kubedns.Location
}

// Decode reads manifests, in YAML or JSON, as kubectl would: documents divided
// by "---", or JSON objects one after the other, each an object or a List of
// them. The namespace is "default" unless given. Unknown fields, and all but the last
// of fields with one name, are ignored with a warning. Upper and lower case matter. A
// kind that the API does not have is an error; other groups' kinds are ignored.
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
		d.warnTwice(doc)
		if err := d.object(place{doc: doc}, doc.json, metav1.TypeMeta{}); err != nil {
			return Objects{}, err
		}
	}
	return d.out, nil
}

// A decoder collects the objects of one file.
type decoder struct {
	file      string
	out       Objects
	seen      map[string]seen // by kind and key
	unchecked bool
	kinds     *runtime.Scheme // nil: not needed yet
}

// seen is where an object was declared, and where it is in its list of Objects.
type seen struct {
	at    place
	index int
}

// object decodes one object, or all of a List. outer is the type of the objects
// of the surrounding List, for those that have none.
func (d *decoder) object(at place, raw []byte, outer metav1.TypeMeta) error {
	var h metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &h); err != nil {
		return d.refuse(at, raw, &h, err)
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
	return d.checkKind(at, h)
}

// checkKind refuses a kind that the API does not have: a misspelt one is not ignored.
func (d *decoder) checkKind(at place, h metav1.TypeMeta) (err error) {
	if d.unchecked {
		return nil
	}
	if d.kinds == nil {
		if d.kinds, err = kinds(); err != nil {
			return err
		}
	}
	if reason := unknownKind(d.kinds, h); reason != "" {
		return d.errorf(at.at("kind"), "%s", reason)
	}
	return nil
}

// isDiscovery reports whether EndpointSlices of that version are read. Where the
// two differ (the topology of an endpoint) no name depends on it.
func isDiscovery(apiVersion string) bool {
	return apiVersion == "discovery.k8s.io/v1" || apiVersion == "discovery.k8s.io/v1beta1"
}

// list decodes the objects of a List. The items of a kind of list of their own
// (ServiceList) may lack a type.
func (d *decoder) list(at place, raw []byte, items metav1.TypeMeta) error {
	if strings.Count(at.path, "items[") >= maxListDepth {
		return d.errorf(at, "more than %d Lists within each other", maxListDepth)
	}
	var l struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &l); err != nil {
		return d.refuse(at, raw, &l, err)
	}
	for i, raw := range l.Items {
		if err := d.object(at.at(item("items", i)), raw, items); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) service(at place, raw []byte) error {
	o, err := read(d, at, raw, (*checker).service)
	if err != nil {
		return err
	}
	s := convert.Service(o)
	if len(s.ClusterIPs) == 0 && !s.Headless && s.ExternalName == "" {
		d.warn(at, "Service %s has no spec.clusterIP, which the API server would choose: its name gets no address", s.Key)
	}
	declare(d, at, "Service", s.Key.String(), &d.out.Services, &s)
	return nil
}

func (d *decoder) endpoints(at place, raw []byte) error {
	o, err := read(d, at, raw, (*checker).endpoints)
	if err != nil {
		return err
	}
	e := convert.Endpoints(o)
	id := e.Key.String()
	e.Name = "endpoints/" + e.Name
	declare(d, at, "Endpoints", id, &d.out.Endpoints, &e)
	return nil
}

func (d *decoder) slice(at place, raw []byte) error {
	o, err := read(d, at, raw, (*checker).slice)
	if err != nil {
		return err
	}
	e, ok := convert.Slice(o)
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
	o, err := read(d, at, raw, func(*checker, *corev1.Node) {})
	if err != nil {
		return err
	}
	n := Node{Name: o.Name}
	if l, ok := convert.Location(o); ok {
		n.Location = &l
	}
	declare(d, at, "Node", n.Name, &d.out.Nodes, n)
	return nil
}

// read decodes raw into an object, gives it the default namespace and checks it.
func read[T any, O interface {
	*T
	metav1.Object
}](d *decoder, at place, raw []byte, check func(*checker, O)) (O, error) {
	o := O(new(T))
	strict, err := kjson.UnmarshalStrict(raw, o, kjson.DisallowUnknownFields, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, d.refuse(at, raw, o, err)
	}
	if d.unchecked {
		return o, nil
	}
	d.warnFields(at, raw, strict)
	if _, clusterWide := any(o).(*corev1.Node); !clusterWide && o.GetNamespace() == "" {
		o.SetNamespace(defaultNamespace)
	}
	c := &checker{}
	c.meta(o)
	check(c, o)
	if c.msg != "" {
		return nil, d.errorf(at.at(c.at), "%s: %s: %s", title(raw), c.at, c.msg)
	}
	return o, nil
}

// warnTwice warns about keys that a document has twice. Something else was meant.
func (d *decoder) warnTwice(doc *document) {
	for _, key := range doc.twice {
		if len(d.out.Warnings) < maxWarnings {
			d.out.Warnings = append(d.out.Warnings,
				fmt.Sprintf("%s:%d: the key %q is there twice; what is here counts", d.file, key.Line, key.Value))
		}
	}
}

// warnFields warns about fields that JSON has twice, and about those that the API does
// not have. Their names have to be written in the API's letters: clusterip is not clusterIP.
func (d *decoder) warnFields(at place, raw []byte, strict []error) {
	for _, err := range strict {
		f, ok := errors.AsType[kjson.FieldError](err)
		switch {
		case !ok:
		case strings.HasPrefix(err.Error(), "duplicate field"):
			d.warn(at.at(f.FieldPath()), "%s: the field %s is there twice; the last counts", title(raw),
				f.FieldPath())
		case !strings.HasSuffix(f.FieldPath(), "].topology"): // a field of discovery.k8s.io/v1beta1
			d.warn(at.at(f.FieldPath()), "%s: unknown field %s is ignored", title(raw), f.FieldPath())
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
		d.out.Warnings = append(d.out.Warnings, d.errorf(at, format, args...).Error())
	}
}

// refuse returns the error of decoding raw, the JSON of the value at a place.
func (d *decoder) refuse(at place, raw []byte, into any, err error) error {
	at, err = explain(at, raw, into, err)
	return d.errorf(at, "%w", err)
}

func (d *decoder) errorf(at place, format string, args ...any) error {
	return fmt.Errorf("%s:%d: "+format, append([]any{d.file, at.line()}, args...)...)
}
