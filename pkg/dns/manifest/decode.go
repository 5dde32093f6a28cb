package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	kjson "sigs.k8s.io/json"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

const (
	// maxListDepth limits Lists within Lists, because each level is parsed again.
	maxListDepth = 8
	// maxWarnings limits the warnings about one file.
	maxWarnings = 10
)

// Objects are the objects that one file declares, as kube-dns needs them. If the file declares an
// object twice, the last declaration counts.
type Objects struct {
	// All are the objects by kind and name ("Service shop/web"): a *kubedns.Service, a
	// *kubedns.Endpoints, or the *kubedns.Location of a Node (nil without the labels).
	// EndpointSlices without a Service or with FQDN addresses are ignored. The Key.Name of an
	// Endpoints object starts with "endpoints/", so that it differs from a slice of the same name.
	All map[string]any
	// Ignored counts the objects of other kinds.
	Ignored int
	// Warnings describe likely mistakes, with file and line; at most ten.
	Warnings []string
}

// Decode reads manifests in YAML or JSON, as kubectl would: documents separated by "---", or
// consecutive JSON objects, each an object or a List. The default namespace is "default". Unknown
// fields, and all but the last of fields with one name, are ignored with a warning. Upper and lower
// case matter. A kind that the API does not have is an error. Kinds of other groups are ignored.
//
// Errors and warnings start with file, followed by the line ("web.yaml:12: Service default/web:
// spec.ports[0].port: ..."). Decode stops at the first error, and then returns no objects. It
// accepts any bytes.
func Decode(file string, data []byte) (Objects, error) {
	data = bytes.ReplaceAll(data, []byte("\xef\xbb\xbf"), nil) // byte order marks, also of files that were joined
	return decode(file, data, false)
}

// DecodeUnchecked is [Decode] for objects that an API server has accepted. It does not check names,
// addresses and ports again, and returns no warnings.
func DecodeUnchecked(file string, data []byte) (Objects, error) { return decode(file, data, true) }

func decode(file string, data []byte, unchecked bool) (Objects, error) {
	documents := yamlDocuments
	if strings.HasSuffix(file, ".json") {
		documents = jsonDocuments
	}
	d := &decoder{out: Objects{All: map[string]any{}}, lines: map[string]int{}, unchecked: unchecked}
	if err := documents(file, data, func(o object) error { return d.object(o, metav1.TypeMeta{}) }); err != nil {
		return Objects{}, err
	}
	return d.out, nil
}

// A decoder collects the objects of one file.
type decoder struct {
	out       Objects
	lines     map[string]int // where the objects start, by kind and name
	unchecked bool
}

// object decodes one object, or all objects of a List. outer is the type of objects without one.
func (d *decoder) object(o object, outer metav1.TypeMeta) error {
	if string(o.json) == "null" { // only comments
		return nil
	}
	var h metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.json, &h); err != nil {
		return o.refuse(&h, err)
	}
	if h.Kind == "" && h.APIVersion == "" {
		h = outer
	}
	switch isDiscovery := h.APIVersion == "discovery.k8s.io/v1" || h.APIVersion == "discovery.k8s.io/v1beta1"; {
	case h.Kind == "":
		return o.errorf("kind", "is missing: is this a Kubernetes manifest?")
	case h.APIVersion == "":
		return o.errorf("apiVersion", "is missing")
	case h.APIVersion == "v1" && h.Kind == "Service":
		return read(d, o, (*checker).service, d.service)
	case h.APIVersion == "v1" && h.Kind == "Endpoints":
		return read(d, o, (*checker).endpoints, d.endpoints)
	case h.APIVersion == "v1" && h.Kind == "Node":
		return read(d, o, nil, d.node)
	case isDiscovery && h.Kind == "EndpointSlice":
		// The two versions differ only in the topology of an endpoint, and no name depends on it.
		return read(d, o, (*checker).slice, d.slice)
	case strings.HasSuffix(h.Kind, "List") && (h.GroupVersionKind().Group == "" || isDiscovery):
		// The items of a typed list (ServiceList) can lack a type.
		return d.list(o, metav1.TypeMeta{APIVersion: h.APIVersion, Kind: strings.TrimSuffix(h.Kind, "List")})
	}
	d.out.Ignored++
	return checkKind(o, h)
}

// kinds are the kinds of the API groups that names depend on.
var kinds = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must((&runtime.SchemeBuilder{corev1.AddToScheme, discoveryv1.AddToScheme}).AddToScheme(scheme))
	return scheme
})

// checkKind refuses a type that the API does not have, so a misspelt kind is not ignored. No name
// depends on other groups, whose kinds are unknown here.
func checkKind(o object, h metav1.TypeMeta) error {
	kind := h.GroupVersionKind()
	if kind.Group != "" && kind.Group != discoveryv1.GroupName || kinds().Recognizes(kind) {
		return nil
	}
	hint := ""
	for known := range kinds().AllKnownTypes() {
		if strings.EqualFold(known.Kind, h.Kind) && known.Version == "v1" {
			hint = fmt.Sprintf(": write apiVersion: %s, kind: %s", known.GroupVersion(), known.Kind)
		}
	}
	return o.errorf("kind", "%s has no kind %q%s", h.APIVersion, h.Kind, hint)
}

// list decodes the objects of a List.
func (d *decoder) list(o object, items metav1.TypeMeta) error {
	at, list := locate(o.json, "items")
	switch {
	case list == nil || string(list) == "null":
		return nil
	case list[0] != '[':
		return o.errorf("items", "is not a list")
	case o.lists >= maxListDepth:
		return o.errorf("items", "more than %d Lists within each other", maxListDepth)
	}
	line, from := o.line, 0
	for v := range values(list) {
		line += bytes.Count(o.json[from:at+v.at], []byte("\n"))
		from = at + v.at
		if err := d.object(object{o.file, v.json, line, o.lists + 1}, items); err != nil {
			return err
		}
	}
	return nil
}

// read decodes an object, sets the default namespace, checks the object and keeps it.
func read[T any, O interface {
	*T
	metav1.Object
}](d *decoder, from object, check func(*checker, O), keep func(object, O)) error {
	o := O(new(T))
	strict, err := kjson.UnmarshalStrict(from.json, o, kjson.DisallowUnknownFields, kjson.DisallowDuplicateFields)
	if err != nil {
		return from.refuse(o, err)
	}
	for _, err := range strict {
		field, _ := errors.AsType[kjson.FieldError](err)
		switch path := field.FieldPath(); {
		case strings.HasPrefix(err.Error(), "duplicate field"):
			d.warn(from, path, "the field is there twice; the last one is used")
		case !strings.HasSuffix(path, "].topology"): // a field of discovery.k8s.io/v1beta1
			// Field names are case-sensitive: clusterip is not clusterIP.
			d.warn(from, path, "unknown field is ignored")
		}
	}
	if check != nil && o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault) // as kubectl does
	}
	if !d.unchecked {
		c := &checker{}
		c.meta(o)
		if check != nil {
			check(c, o)
		}
		if c.msg != "" {
			return from.errorf(c.at, "%s", c.msg)
		}
	}
	keep(from, o)
	return nil
}

func (d *decoder) service(o object, api *corev1.Service) {
	s := convert.Service(api)
	if len(s.ClusterIPs) == 0 && !s.Headless && s.ExternalName == "" {
		d.warn(o, "spec.clusterIP", "is missing; the API server would choose one, but here the name gets no address")
	}
	d.declare(o, "Service "+s.Key.String(), &s)
}

func (d *decoder) endpoints(o object, api *corev1.Endpoints) {
	e := convert.Endpoints(api)
	id := "Endpoints " + e.Key.String()
	e.Name = "endpoints/" + e.Name
	d.declare(o, id, &e)
}

func (d *decoder) slice(o object, api *discoveryv1.EndpointSlice) {
	e, ok := convert.Slice(api)
	if ok {
		d.declare(o, "EndpointSlice "+e.Key.String(), &e)
		return
	}
	d.out.Ignored++
	if e.Service == "" {
		d.warn(o, "metadata.labels", "%s is missing: the slice belongs to no Service", discoveryv1.LabelServiceName)
	}
}

func (d *decoder) node(o object, api *corev1.Node) {
	var at *kubedns.Location
	if l, ok := convert.Location(api); ok {
		at = &l
	}
	d.declare(o, "Node "+api.Name, at)
}

func (d *decoder) warn(o object, path, format string, args ...any) {
	if !d.unchecked && len(d.out.Warnings) < maxWarnings { // finding lines takes time
		d.out.Warnings = append(d.out.Warnings, o.errorf(path, format, args...).Error())
	}
}

// declare adds an object, replacing an earlier one of the same name.
func (d *decoder) declare(o object, id string, value any) {
	if first, twice := d.lines[id]; twice {
		d.warn(o, "", "declared again, first at line %d; this declaration is used", first)
	}
	d.lines[id], d.out.All[id] = o.line, value
}
