package kube_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An object with many ports that changes often uses the memory of one.
func TestMemoryOfPorts(t *testing.T) {
	const ports = 3000
	service, slice, endpoints := clusterIP("web", "10.0.0.1"), slice("web", "a", "10.1.0.1"), endpoints("web", "10.1.0.1")
	for i := range ports {
		name := fmt.Sprint("port-", i)
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: 80})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: new(int32(80))})
		endpoints.Subsets[0].Ports = append(endpoints.Subsets[0].Ports, corev1.EndpointPort{Name: name, Port: 80})
	}
	client, err := kube.NewClientOver(http.DefaultTransport, nil)
	if err != nil {
		t.Fatal(err)
	}
	decode := map[string]func(name string) ([]kubedns.Port, error){
		"Service": func(name string) ([]kubedns.Port, error) {
			service.Spec.Ports[0].Name = name
			data, _ := service.Marshal()
			s, err := client.DecodeService(data)
			return s.Ports, err
		},
		"EndpointSlice": func(name string) ([]kubedns.Port, error) {
			slice.Ports[0].Name = &name
			data, _ := slice.Marshal()
			e, err := client.DecodeEndpoints(data, true)
			return e.Subsets[0].Ports, err
		},
		"Endpoints": func(name string) ([]kubedns.Port, error) {
			endpoints.Subsets[0].Ports[0].Name = name
			data, _ := endpoints.Marshal()
			e, err := client.DecodeEndpoints(data, false)
			return e.Subsets[0].Ports, err
		},
	}
	for kind, decode := range decode {
		t.Run(kind, func(t *testing.T) {
			var held []kubedns.Port
			patch := func(n int) {
				t.Helper()
				for i := range n {
					if held, err = decode(fmt.Sprint("first-", i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			patch(10)
			before := liveHeap()
			patch(300)
			if grown := liveHeap() - before; grown > 2<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
			if len(held) != ports {
				t.Errorf("%d ports, want %d", len(held), ports)
			}
		})
	}
}

// A listBody is a list of many slices, created during the read.
type listBody struct {
	io.Reader
	peak func() // is called now and then
	item []byte
	left int
}

func (l *listBody) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if errors.Is(err, io.EOF) && l.left > 0 {
		if l.left--; l.left%30 == 0 {
			l.peak()
		}
		l.Reader = bytes.NewReader(l.item)
		return n, nil
	}
	return n, err
}

func (l *listBody) Close() error { return nil }

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A list of large objects uses the memory of one of them.
func TestMemoryOfList(t *testing.T) {
	note := map[string]string{"note": strings.Repeat("x", 250_000)}
	objects := []kruntime.Object{slice("web", "a", "10.1.0.1"), endpoints("web", "10.1.0.1"), clusterIP("web", "10.0.0.1")}
	for _, o := range objects {
		m, _ := meta.Accessor(o)
		m.SetAnnotations(note)
		for _, w := range []wire{protobufWire, jsonWire} {
			kind := o.GetObjectKind().GroupVersionKind().Kind
			t.Run(kind+" "+w.mediaType, func(t *testing.T) { testMemoryOfList(t, w, o, kind) })
		}
	}
}

func testMemoryOfList(t *testing.T, w wire, o kruntime.Object, kind string) {
	const items = 300
	var peak int64
	body := &listBody{left: items, peak: func() { peak = max(peak, liveHeap()) }}
	var all io.Reader = body
	if w.mediaType == jsonWire.mediaType {
		b, err := w.encode(o)
		if err != nil {
			t.Fatal(err)
		}
		first := bytes.TrimSpace(b)
		body.item = append([]byte(","), first...)
		head := fmt.Sprintf(`{"kind":"%sList","metadata":{"resourceVersion":"7"},"items":[`, kind)
		body.Reader = strings.NewReader(head + string(first))
		all = io.MultiReader(body, strings.NewReader("]}"))
	} else {
		b, err := o.(interface{ Marshal() ([]byte, error) }).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		body.item = append(binary.AppendUvarint([]byte{2<<3 | 2}, uint64(len(b))), b...)
		typed := &kruntime.TypeMeta{APIVersion: o.GetObjectKind().GroupVersionKind().GroupVersion().String(), Kind: kind +
			"List"}
		meta, err := typed.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		head := append([]byte("k8s\x00\x0a"), byte(len(meta)))
		head = append(append(head, meta...), 2<<3|2)
		body.Reader = bytes.NewReader(binary.AppendUvarint(head, uint64(items*len(body.item))))
	}
	client, err := kube.NewClientOver(transport(func(*http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {w.mediaType}}
		return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(all), ProtoMajor: 1, ProtoMinor: 1}, nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := liveHeap()
	n, err := client.ListAll(context.Background(), kind)
	if err != nil || n < items {
		t.Fatalf("%d objects, error %v", n, err)
	}
	if peak-before > 8<<20 {
		t.Errorf("the heap has grown by %d bytes, the list has %d", peak-before, items*len(body.item))
	}
}
