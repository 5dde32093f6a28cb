package kube_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// readSlices reads a watch to its end.
func readSlices(t testing.TB, beta bool, stream []byte) (events []sliceEvent, err error) {
	t.Helper()
	r, err := kube.NewSliceReader(beta, bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var e sliceEvent
		if e.Kind, e.Endpoints, e.Kept, err = r.Next(); err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

type sliceEvent struct {
	Kind      string
	Endpoints kubedns.Endpoints
	Kept      bool
}

var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// TestBetaSlices: slices of v1beta1 equal those of v1, in all fields of the API.
func TestBetaSlices(t *testing.T) {
	for _, w := range []wire{protobufWire, jsonWire} {
		t.Run(w.mediaType, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			var stream, betaStream bytes.Buffer
			send, sendBeta, count := w.events(&stream), w.events(&betaStream), 500
			for range count {
				kind := []watch.EventType{watch.Added, watch.Modified, watch.Deleted}[random.IntN(3)]
				s := randomSlice(random)
				if err := errors.Join(send(kind, s), sendBeta(kind, toBeta(s))); err != nil {
					t.Fatal(err)
				}
			}
			want, wantErr := readSlices(t, false, stream.Bytes())
			got, err := readSlices(t, true, betaStream.Bytes())
			if len(want) != count || !errors.Is(wantErr, io.EOF) || !errors.Is(err, io.EOF) {
				t.Fatalf("%d events of %d, then %v; v1beta1: %v", len(want), count, wantErr, err)
			}
			if diff := cmp.Diff(want, got, addresses); diff != "" {
				t.Errorf("events (-v1 +v1beta1):\n%s", diff)
			}
		})
	}
}

// Fields of a later version of the API, and fields in another order, are harmless.
func TestSliceReaderSkipsUnknownFields(t *testing.T) {
	raw, err := slice("web", "a", "10.1.0.1").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	// Field 99 as a number, and field 98 as 8 bytes, 4 bytes and 3 bytes.
	unknown := []byte("\x98\x06\x07\x91\x06abcdefgh\x95\x06abcd\x92\x06\x03abc")
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
	got, _ := readSlices(t, false, frame(event))
	if len(got) != 1 || len(got[0].Endpoints.Subsets) != 1 || len(got[0].Endpoints.Subsets[0].Endpoints) != 2 {
		t.Errorf("events = %+v, want one with two endpoints", got)
	}
}

// Each end of a watch has its own error. Only the end between two events is an ordinary one.
func TestWatchReaderErrors(t *testing.T) {
	good := frames(t, watch.Added, slice("web", "a", "10.1.0.1"))
	var json bytes.Buffer
	if err := jsonWire.events(&json)(watch.Added, slice("web", "a", "10.1.0.1")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, stream string
		events       int
		want         string
	}{
		{"nothing", "", 0, "EOF"},
		{"one event", string(good), 1, "EOF"},
		{"a bookmark", string(good) + string(frames(t, watch.Bookmark, progress(slicesPath, 7))), 2, "EOF"},
		{"an error", string(good) + string(frames(t, watch.Error, statusObject(410))), 1, "the fake says 410"},
		{"another version of the API", string(frames(t, watch.Added, betaSlice("web", "a", "10.1.0.1"))), 0,
			"another kind of object"},
		{"another kind", string(frames(t, watch.Added, clusterIP("web", "10.0.0.1"))), 0, "another kind of object"},
		{"an unknown event", string(frames(t, "MOVED", slice("web", "a"))), 1, "EOF"},
		{"cut off", string(good[:len(good)-1]), 0, "unexpected EOF"},
		{"cut off in the length", string(good) + "\x00\x00", 1, "unexpected EOF"},
		{"a frame cut off inside", string(frame(good[4 : len(good)-1])), 0, "not valid protobuf"},
		{"an empty frame", string(frame(nil)), 0, "not valid protobuf"},
		{"no protobuf", string(frame([]byte("hello, this is no event"))), 0, "not valid protobuf"},
		{"a huge frame", "\x00\xff\xff\xff", 0, "not valid protobuf"},
		{"a page of a proxy", "<html>", 0, "neither Kubernetes protobuf nor JSON"},
		{"JSON", json.String(), 1, "EOF"},
		{"JSON cut off", json.String() + json.String()[:20], 1, "unexpected EOF"},
		{"JSON with an error", `{"type":"ERROR","object":{"kind":"Status","code":410,"message":"gone"}}`, 0, "gone"},
		{"JSON that is none", `{"type":}`, 0, "invalid character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readSlices(t, false, []byte(tt.stream))
			if len(got) != tt.events || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d events, then %v; want %d, then %q", len(got), err, tt.events, tt.want)
			}
			if errors.Is(err, io.EOF) != (tt.want == "EOF") {
				t.Errorf("ordinary end: %v", err)
			}
		})
	}
}

// frames returns an event as sent.
func frames(t testing.TB, kind watch.EventType, o kruntime.Object) []byte {
	t.Helper()
	var stream bytes.Buffer
	if err := protobufWire.events(&stream)(kind, o); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// frame prefixes bytes with their length, as a stream does before each event.
func frame(b []byte) []byte {
	n := len(b)
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, b...)
}

// FuzzSliceReader: every event is read or is an error.
func FuzzSliceReader(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		f.Add(frames(f, watch.Added, randomSlice(random))[4:], false)
		f.Add(frames(f, watch.Modified, toBeta(randomSlice(random)))[4:], true)
	}
	f.Add(frames(f, watch.Bookmark, bookmark(slicesPath, 7))[4:], false)
	f.Add(frames(f, watch.Error, statusObject(410))[4:], false)
	f.Fuzz(func(t *testing.T, event []byte, beta bool) {
		events, err := readSlices(t, beta, frame(event))
		if errors.Is(err, io.EOF) != (len(events) == 1) {
			t.Fatalf("%d events, then %v", len(events), err)
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
		Name: pick(r, "web-abcde", "web", "db-0", "Straße"), GenerateName: pick(r, "", "web-"),
		Namespace:       pick(r, "shop", "", "kube-system"),
		UID:             types.UID(pick(r, "", "5f0c9c1e-8d4f-4a52-9c11-0d9d5d0d6c3e")),
		ResourceVersion: pick(r, "", "1", "18446744073709551615"),
		Generation:      r.Int64N(3) - 1, Finalizers: few(r, 2, func() string { return "f" }),
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
		m.Labels = map[string]string{"endpointslice.kubernetes.io/managed-by": "c", "a": "",
			"service.kubernetes.io/headless": ""}
		m.Labels["kubernetes.io/service-name"] = pick(r, "web", "web-", "db", "", "web-abcde", "longer-than-any-name")
	}
	return m
}

func randomAddresses(r *rand.Rand) []string {
	return few(r, 3, func() string {
		return pick(r, fmt.Sprintf("10.%d.%d.%d", r.IntN(300), r.IntN(256), r.IntN(256)),
			"2001:db8::"+fmt.Sprint(r.IntN(999)),
			"::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.010", "10.0.0", "1.2.3.4.5", "", ".1.2.3", "1..2.3", "1.2.3.", "00.0.0.0",
			"www.example.com", "1.2.3.4 ", "0.0.0.0")
	})
}

var hostnames = []string{"", "web-0", "web-1", "web-10", "Web-2", "wéb", "\xff",
	"a-rather-long-hostname-that-no-estimate-is-good-for"}

func randomSlice(r *rand.Rand) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: randomMeta(r),
		AddressType: discoveryv1.AddressType(pick(r, "IPv4", "IPv4", "IPv6", "FQDN", ""))}
	s.APIVersion, s.Kind = "discovery.k8s.io/v1", "EndpointSlice"
	s.Endpoints = few(r, 20, func() discoveryv1.Endpoint {
		e := discoveryv1.Endpoint{
			Addresses: randomAddresses(r), Hostname: some(r, hostnames...), NodeName: some(r, "node-1"), Zone: some(r, "z1", ""),
			Conditions: discoveryv1.EndpointConditions{Ready: some(r, true, false), Serving: some(r, true, false),
				Terminating: some(r, true, false)},
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

func toBeta(v1 *discoveryv1.EndpointSlice) *discoveryv1beta1.EndpointSlice {
	s := &discoveryv1beta1.EndpointSlice{ObjectMeta: v1.ObjectMeta,
		AddressType: discoveryv1beta1.AddressType(v1.AddressType)}
	s.APIVersion, s.Kind = "discovery.k8s.io/v1beta1", "EndpointSlice"
	for _, e := range v1.Endpoints {
		s.Endpoints = append(s.Endpoints, discoveryv1beta1.Endpoint{
			Addresses: e.Addresses, Conditions: discoveryv1beta1.EndpointConditions(e.Conditions), Hostname: e.Hostname,
			TargetRef: e.TargetRef,
			Topology:  e.DeprecatedTopology, NodeName: e.NodeName,
		})
		if e.Hints != nil {
			s.Endpoints[len(s.Endpoints)-1].Hints = &discoveryv1beta1.EndpointHints{
				ForZones: []discoveryv1beta1.ForZone{{Name: "z1"}},
			}
		}
	}
	for _, p := range v1.Ports {
		s.Ports = append(s.Ports, discoveryv1beta1.EndpointPort(p))
	}
	return s
}
