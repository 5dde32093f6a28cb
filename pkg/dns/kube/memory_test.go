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

// A Service with many ports that changes often takes the memory of one.
func TestMemoryOfPorts(t *testing.T) {
	client, err := kube.NewClientOver(http.DefaultTransport, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := clusterIP("web", "10.0.0.1")
	for i := range 3000 {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprint("port-", i), Port: 80})
	}
	var held kubedns.Service
	patch := func(n int) {
		for i := range n {
			s.Spec.Ports[0].Port = int32(i%1000 + 1)
			s.Spec.Ports[0].Name = fmt.Sprint("first-", i)
			data, err := s.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if held, err = client.DecodeService(data); err != nil {
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
	if len(held.Ports) != 3000 {
		t.Errorf("%d ports", len(held.Ports))
	}
}

// A listBody is a list of many slices, which are made while it is read.
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

// A list of large objects takes the memory of one of them.
func TestMemoryOfList(t *testing.T) {
	const items, size = 300, 250_000
	s := slice("web", "a", "10.1.0.1")
	s.Annotations = map[string]string{"note": strings.Repeat("x", size)}
	var whole, peak int64
	for _, w := range []wire{protobufWire, jsonWire} {
		t.Run(w.mediaType, func(t *testing.T) {
			body := &listBody{left: items, peak: func() { peak = max(peak, liveHeap()) }}
			if w.mediaType == jsonWire.mediaType {
				b, err := w.encode(s)
				if err != nil {
					t.Fatal(err)
				}
				first := append([]byte(nil), bytes.TrimSpace(b)...)
				body.item = append([]byte(","), first...)
				body.Reader = io.MultiReader(strings.NewReader(`{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[` + string(first)))
			} else {
				b, err := s.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				body.item = append(binary.AppendUvarint([]byte{2<<3 | 2}, uint64(len(b))), b...)
				head := "k8s\x00\x0a\x28" + "\x0a\x13discovery.k8s.io/v1" + "\x12\x11EndpointSliceList" + "\x12"
				whole = int64(items * len(body.item))
				body.Reader = bytes.NewReader(binary.AppendUvarint([]byte(head), uint64(whole)))
			}
			var tail io.Reader = body
			if w.mediaType == jsonWire.mediaType {
				tail = io.MultiReader(body, strings.NewReader("]}"))
			}
			client, err := kube.NewClientOver(transport(func(*http.Request) (*http.Response, error) {
				header := http.Header{"Content-Type": {w.mediaType}}
				return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(tail), ProtoMajor: 1, ProtoMinor: 1}, nil
			}), nil)
			if err != nil {
				t.Fatal(err)
			}
			before := liveHeap()
			n, err := client.ListSlices(context.Background())
			if err != nil || n < items {
				t.Fatalf("%d slices, error %v", n, err)
			}
			if peak-before > 8<<20 {
				t.Errorf("the heap has grown by %d bytes, the list has %d", peak-before, whole)
			}
		})
	}
}
