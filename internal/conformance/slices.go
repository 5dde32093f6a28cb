package conformance

import (
	"fmt"
	"net/netip"
)

// Labels of EndpointSlices and of Endpoints.
const (
	labelServiceName = "kubernetes.io/service-name"
	labelManagedBy   = "endpointslice.kubernetes.io/managed-by"
	labelSkipMirror  = "endpointslice.kubernetes.io/skip-mirror"
)

// maxSliceEndpoints is the API's limit of endpoints in one slice.
const maxSliceEndpoints = 1000

// ToSlices returns the EndpointSlices with the contents of an Endpoints object: one for each
// subset and address family, more if one would have over 1000 endpoints. Addresses are ready,
// notReadyAddresses are not.
func ToSlices(endpoints Object) []Object {
	var slices []Object
	for i, subset := range asList(endpoints["subsets"]) {
		subset := asMap(subset)
		for _, family := range []string{"IPv4", "IPv6"} {
			list := sliceEndpoints(subset["addresses"], family, true)
			list = append(list, sliceEndpoints(subset["notReadyAddresses"], family, false)...)
			for part := 0; len(list) > 0; part++ {
				n := min(len(list), maxSliceEndpoints)
				name := fmt.Sprintf("%s-%d-v%s-%d", endpoints.Ref().Name, i, family[3:], part)
				slices = append(slices, newSlice(endpoints.Ref(), name, family, subset["ports"], list[:n]))
				list = list[n:]
			}
		}
	}
	return slices
}

func newSlice(service Ref, name, family string, ports any, endpoints []any) Object {
	slice := Object{
		"apiVersion": "discovery.k8s.io/v1",
		"kind":       "EndpointSlice",
		"metadata": map[string]any{
			"name":      name,
			"namespace": service.Namespace,
			"labels": map[string]any{
				labelServiceName: service.Name,
				// No controller of the cluster manages slices with this value.
				labelManagedBy: "conformance",
			},
		},
		"addressType": family,
		"endpoints":   endpoints,
	}
	if ports != nil {
		slice["ports"] = ports
	}
	return slice.Clone()
}

// sliceEndpoints returns the addresses of a subset in the family.
func sliceEndpoints(addresses any, family string, ready bool) []any {
	var list []any
	for _, address := range asList(addresses) {
		address := asMap(address)
		ip, err := netip.ParseAddr(asString(address["ip"]))
		if err != nil || ip.Is4() != (family == "IPv4") {
			continue
		}
		endpoint := map[string]any{
			"addresses":  []any{ip.String()},
			"conditions": map[string]any{"ready": ready},
		}
		for _, key := range []string{"hostname", "nodeName", "targetRef"} {
			if value, ok := address[key]; ok {
				endpoint[key] = value
			}
		}
		list = append(list, endpoint)
	}
	return list
}

// EndpointsMode is the form in which the Endpoints objects of a File reach a Target.
type EndpointsMode int

// The modes. A Service with an EndpointSlice in the File has its Endpoints unchanged in each of
// them.
const (
	// EndpointsAsIs: unchanged. Right for a server that reads Endpoints, and
	// for a cluster whose controller mirrors them.
	EndpointsAsIs EndpointsMode = iota
	// EndpointsAsSlices: only the EndpointSlices of ToSlices.
	EndpointsAsSlices
	// EndpointsAndSlices: both. The Endpoints have the label that disables the mirroring
	// controller.
	EndpointsAndSlices
)

// A translator converts the changes of one File to a mode. It records the slices it made, to delete
// them with their Endpoints.
type translator struct {
	mode EndpointsMode
	// sliced holds the Services with their own slices, as Endpoints Refs.
	sliced map[Ref]bool
	made   map[Ref][]Ref
}

func newTranslator(mode EndpointsMode, file File) *translator {
	t := &translator{mode: mode, sliced: map[Ref]bool{}, made: map[Ref][]Ref{}}
	for _, step := range file.AllSteps() {
		for _, object := range step.Apply {
			ref := object.Ref()
			if ref.Kind != "EndpointSlice" {
				continue
			}
			service := asString(asMap(asMap(object["metadata"])["labels"])[labelServiceName])
			t.sliced[Ref{Kind: "Endpoints", Namespace: ref.Namespace, Name: service}] = true
		}
	}
	return t
}

// FirstObjects returns the objects of the file's first step in the form of a mode.
func (f File) FirstObjects(mode EndpointsMode) []Object {
	objects, _ := newTranslator(mode, f).translate(f.AllSteps()[0].Apply, nil)
	return objects
}

// translate returns the objects to apply and to delete in place of the arguments.
func (t *translator) translate(apply []Object, del []Ref) ([]Object, []Ref) {
	if t.mode == EndpointsAsIs {
		return apply, del
	}
	var outApply []Object
	var outDel []Ref
	for _, object := range apply {
		ref := object.Ref()
		if ref.Kind != "Endpoints" || t.sliced[ref] {
			outApply = append(outApply, object)
			continue
		}
		if t.mode == EndpointsAndSlices {
			object = object.Clone()
			object.setLabel(labelSkipMirror, "true")
			outApply = append(outApply, object)
		}
		slices := ToSlices(object)
		outApply = append(outApply, slices...)
		outDel = append(outDel, t.remember(ref, slices)...)
	}
	for _, ref := range del {
		if ref.Kind != "Endpoints" || t.sliced[ref] {
			outDel = append(outDel, ref)
			continue
		}
		if t.mode == EndpointsAndSlices {
			outDel = append(outDel, ref)
		}
		outDel = append(outDel, t.remember(ref, nil)...)
	}
	return outApply, outDel
}

// remember records all slices of the Endpoints and returns the earlier slices that are missing now.
func (t *translator) remember(endpoints Ref, slices []Object) (gone []Ref) {
	now := map[Ref]bool{}
	var refs []Ref
	for _, slice := range slices {
		now[slice.Ref()] = true
		refs = append(refs, slice.Ref())
	}
	for _, ref := range t.made[endpoints] {
		if !now[ref] {
			gone = append(gone, ref)
		}
	}
	t.made[endpoints] = refs
	return gone
}
