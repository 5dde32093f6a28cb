package kube_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// readSlices reads a watch to its end, with our own decoder or client-go's.
func readSlices(t testing.TB, version schema.GroupVersion, plain bool, w wire, stream []byte) (events []sliceEvent, err error) {
	t.Helper()
	r, err := kube.NewSliceReader(version, plain, w.mediaType, io.NopCloser(bytes.NewReader(stream)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var e sliceEvent
		if e.Kind, e.Version, e.Endpoints, e.OK, e.own, err = r.Next(); err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

type sliceEvent struct {
	Kind      watch.EventType
	Version   string
	Endpoints kubedns.Endpoints
	OK        bool
	own       bool // our decoder has read it
}

var sliceEvents = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".own" }, cmp.Ignore()),
}

// TestOwnSliceDecoder holds our decoder and client-go's together, for slices
// with all that the API can say, and what it cannot.
func TestOwnSliceDecoder(t *testing.T) {
	versions := []struct {
		schema.GroupVersion
		slice func(*rand.Rand) kruntime.Object
	}{
		{discoveryv1.SchemeGroupVersion, func(r *rand.Rand) kruntime.Object { return randomSlice(r) }},
		{discoveryv1beta1.SchemeGroupVersion, func(r *rand.Rand) kruntime.Object { return randomBetaSlice(r) }},
	}
	for _, v := range versions {
		for _, w := range []wire{protobufWire, jsonWire} {
			t.Run(v.Version+" "+w.mediaType, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				var stream bytes.Buffer
				send, count := w.events(&stream), 0
				for range 500 {
					kind := []watch.EventType{watch.Added, watch.Modified, watch.Deleted}[random.IntN(3)]
					if err := send(kind, v.slice(random)); err != nil {
						t.Fatal(err)
					}
					count++
				}
				want, wantErr := readSlices(t, v.GroupVersion, true, w, stream.Bytes())
				got, err := readSlices(t, v.GroupVersion, false, w, stream.Bytes())
				if len(want) != count || !errors.Is(wantErr, io.EOF) || !errors.Is(err, io.EOF) {
					t.Fatalf("%d events of %d, then %v; ours: %v", len(want), count, wantErr, err)
				}
				if diff := cmp.Diff(want, got, sliceEvents); diff != "" {
					t.Errorf("events (-client-go +ours):\n%s", diff)
				}
				for i, e := range got {
					if e.own != (w.mediaType == protobufWire.mediaType) {
						t.Fatalf("event %d: decoded by us: %t", i, e.own)
					}
				}
			})
		}
	}
}

// Fields that a later version of the API adds, and fields in another order, do
// not disturb.
func TestOwnSliceDecoderSkipsUnknownFields(t *testing.T) {
	raw, err := slice("web", "a", "10.1.0.1").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	unknown := []byte("\x98\x06\x07\x91\x06abcdefgh\x95\x06abcd\x92\x06\x03abc") // 99 as a number, 98 as 8 bytes, 4 bytes, 3 bytes
	endpoint := append([]byte("\x1a\x02h0\x12\x04\x08\x00\x10\x01\x0a\x0810.1.0.2"), unknown...)
	port := append([]byte("\x18\x50\x0a\x04http"), unknown...)
	raw = append(raw, unknown...)
	raw = append(append(raw, 2<<3|2, byte(len(endpoint))), endpoint...)
	raw = append(append(raw, 3<<3|2, byte(len(port))), port...)
	object, err := protobufWire.encode(&kruntime.Unknown{
		TypeMeta: kruntime.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"}, Raw: raw,
	})
	if err != nil {
		t.Fatal(err)
	}
	event, err := (&metav1.WatchEvent{Type: "ADDED", Object: kruntime.RawExtension{Raw: object}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	event = append(event, unknown...)
	want, _ := readSlices(t, discoveryv1.SchemeGroupVersion, true, protobufWire, frame(event))
	got, _ := readSlices(t, discoveryv1.SchemeGroupVersion, false, protobufWire, frame(event))
	if diff := cmp.Diff(want, got, sliceEvents); diff != "" {
		t.Errorf("events (-client-go +ours):\n%s", diff)
	}
	if len(got) != 1 || !got[0].own || len(got[0].Endpoints.Subsets) != 1 || len(got[0].Endpoints.Subsets[0].Endpoints) != 2 {
		t.Errorf("events = %+v, want one with two endpoints that we have decoded", got)
	}
}

// What is no slice goes through client-go's decoder, and what nobody can read
// ends the watch in the same way.
func TestOwnSliceDecoderLeavesTheRest(t *testing.T) {
	good := frames(t, watch.Added, slice("web", "a", "10.1.0.1"))
	tests := []struct {
		name   string
		stream []byte
	}{
		{name: "bookmark", stream: frames(t, watch.Bookmark, bookmark(slicesPath, 7))},
		{name: "error", stream: frames(t, watch.Error, statusObject(410))},
		{name: "another version of the API", stream: frames(t, watch.Added, betaSlice("web", "a", "10.1.0.1"))},
		{name: "another kind", stream: frames(t, watch.Added, clusterIP("web", "10.0.0.1"))},
		{name: "an unknown event", stream: frames(t, "MOVED", slice("web", "a"))},
		{name: "cut off", stream: good[:len(good)-1]},
		{name: "a frame cut off inside", stream: frame(good[4 : len(good)-1])},
		{name: "an empty frame", stream: frame(nil)},
		{name: "no protobuf", stream: frame([]byte("hello, this is no event"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := append(bytes.Clone(good), tt.stream...)
			want, wantErr := readSlices(t, discoveryv1.SchemeGroupVersion, true, protobufWire, stream)
			got, err := readSlices(t, discoveryv1.SchemeGroupVersion, false, protobufWire, stream)
			if diff := cmp.Diff(want, got, sliceEvents); diff != "" {
				t.Errorf("events (-client-go +ours):\n%s", diff)
			}
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("error = %v, client-go's is %v", err, wantErr)
			}
			if !got[0].own || len(got) > 1 && got[1].own {
				t.Error("our decoder has read what it should not, or not what it should")
			}
		})
	}
}

// frames is an event as it is sent.
func frames(t testing.TB, kind watch.EventType, o kruntime.Object) []byte {
	t.Helper()
	var stream bytes.Buffer
	if err := protobufWire.events(&stream)(kind, o); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// frame gives bytes the length that a stream has before each event.
func frame(b []byte) []byte {
	n := len(b)
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, b...)
}

// FuzzOwnSliceDecoder: whatever client-go makes of an event, so do we.
func FuzzOwnSliceDecoder(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		f.Add(frames(f, watch.Added, randomSlice(random))[4:], false)
		f.Add(frames(f, watch.Modified, randomBetaSlice(random))[4:], true)
	}
	f.Add(frames(f, watch.Bookmark, bookmark(slicesPath, 7))[4:], false)
	f.Add(frames(f, watch.Error, statusObject(410))[4:], false)
	f.Fuzz(func(t *testing.T, event []byte, beta bool) {
		version := discoveryv1.SchemeGroupVersion
		if beta {
			version = discoveryv1beta1.SchemeGroupVersion
		}
		want, wantErr := readSlices(t, version, true, protobufWire, frame(event))
		got, err := readSlices(t, version, false, protobufWire, frame(event))
		if !errors.Is(wantErr, io.EOF) {
			return // ours need not read all of an event
		}
		if err == nil || err.Error() != wantErr.Error() {
			t.Fatalf("error = %v, client-go's is %v", err, wantErr)
		}
		if diff := cmp.Diff(want, got, sliceEvents); diff != "" {
			t.Errorf("events (-client-go +ours):\n%s", diff)
		}
	})
}

// some returns one of the values, or none.
func some[T any](r *rand.Rand, values ...T) *T {
	if r.IntN(4) == 0 {
		return nil
	}
	return new(values[r.IntN(len(values))])
}

func few[T any](r *rand.Rand, most int, one func() T) []T {
	if r.IntN(5) == 0 {
		return nil
	}
	list := make([]T, 0, most)
	for range r.IntN(most + 1) {
		list = append(list, one())
	}
	return list
}

func pick(r *rand.Rand, texts ...string) string { return texts[r.IntN(len(texts))] }

func randomMeta(r *rand.Rand) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name: pick(r, "web-abcde", "web", "db-0", "Straße"), GenerateName: pick(r, "", "web-"), Namespace: pick(r, "shop", "", "kube-system"),
		UID: types.UID(pick(r, "", "5f0c9c1e-8d4f-4a52-9c11-0d9d5d0d6c3e")), ResourceVersion: pick(r, "", "1", "18446744073709551615"),
		Generation: r.Int64N(3) - 1, Finalizers: few(r, 2, func() string { return "f" }),
		Annotations: map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-02T03:04:05Z"},
		OwnerReferences: few(r, 1, func() metav1.OwnerReference {
			return metav1.OwnerReference{Kind: "Service", Name: "web", UID: "u", Controller: some(r, true, false)}
		}),
		ManagedFields: few(r, 2, func() metav1.ManagedFieldsEntry {
			return metav1.ManagedFieldsEntry{Manager: "m", FieldsV1: metav1.NewFieldsV1(`{"f:endpoints":{}}`)}
		}),
		DeletionGracePeriodSeconds: some(r, int64(0), int64(30)),
	}
	if r.IntN(5) > 0 {
		m.Labels = map[string]string{"endpointslice.kubernetes.io/managed-by": "c", "a": "", "service.kubernetes.io/headless": ""}
		m.Labels["kubernetes.io/service-name"] = pick(r, "web", "web-", "db", "", "web-abcde", "longer-than-any-name")
	}
	return m
}

func randomAddresses(r *rand.Rand) []string {
	return few(r, 3, func() string {
		return pick(r, fmt.Sprintf("10.%d.%d.%d", r.IntN(300), r.IntN(256), r.IntN(256)), "2001:db8::"+fmt.Sprint(r.IntN(999)),
			"::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.010", "10.0.0", "1.2.3.4.5", "", ".1.2.3", "1..2.3", "1.2.3.", "00.0.0.0", "www.example.com", "1.2.3.4 ", "0.0.0.0")
	})
}

var hostnames = []string{"", "web-0", "web-1", "web-10", "Web-2", "wéb", "\xff", "a-rather-long-hostname-that-no-estimate-is-good-for"}

func randomSlice(r *rand.Rand) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: randomMeta(r), AddressType: discoveryv1.AddressType(pick(r, "IPv4", "IPv4", "IPv6", "FQDN", ""))}
	s.APIVersion, s.Kind = "discovery.k8s.io/v1", "EndpointSlice"
	s.Endpoints = few(r, 20, func() discoveryv1.Endpoint {
		e := discoveryv1.Endpoint{
			Addresses: randomAddresses(r), Hostname: some(r, hostnames...), NodeName: some(r, "node-1"), Zone: some(r, "z1", ""),
			Conditions: discoveryv1.EndpointConditions{Ready: some(r, true, false), Serving: some(r, true, false), Terminating: some(r, true, false)},
		}
		if r.IntN(2) == 0 {
			e.DeprecatedTopology = map[string]string{"topology.kubernetes.io/zone": "z1", "": ""}
			e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: "web-0", UID: "u"}
			e.Hints = &discoveryv1.EndpointHints{
				ForZones: []discoveryv1.ForZone{{Name: "z1"}}, ForNodes: []discoveryv1.ForNode{{Name: "n"}},
			}
		}
		return e
	})
	s.Ports = few(r, 4, func() discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{
			Name: some(r, "http", "", "DNS", "é"), Protocol: some(r, corev1.ProtocolTCP, corev1.ProtocolUDP, "", "Odd"),
			Port: some(r, int32(80), 0, -1, 65536, 65535), AppProtocol: some(r, "h2c"),
		}
	})
	return s
}

func randomBetaSlice(r *rand.Rand) *discoveryv1beta1.EndpointSlice {
	v1 := randomSlice(r)
	s := &discoveryv1beta1.EndpointSlice{ObjectMeta: v1.ObjectMeta, AddressType: discoveryv1beta1.AddressType(v1.AddressType)}
	s.APIVersion, s.Kind = "discovery.k8s.io/v1beta1", "EndpointSlice"
	for _, e := range v1.Endpoints {
		s.Endpoints = append(s.Endpoints, discoveryv1beta1.Endpoint{
			Addresses: e.Addresses, Conditions: discoveryv1beta1.EndpointConditions(e.Conditions), Hostname: e.Hostname, TargetRef: e.TargetRef,
			Topology: e.DeprecatedTopology, NodeName: e.NodeName,
		})
		if e.Hints != nil {
			s.Endpoints[len(s.Endpoints)-1].Hints = &discoveryv1beta1.EndpointHints{ForZones: []discoveryv1beta1.ForZone{{Name: "z1"}}}
		}
	}
	for _, p := range v1.Ports {
		s.Ports = append(s.Ports, discoveryv1beta1.EndpointPort(p))
	}
	return s
}
