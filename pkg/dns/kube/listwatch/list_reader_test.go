package listwatch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// trailer is the size of the two empty fields that apimachinery writes after a list.
const trailer = 4

func metadataList(n int) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "4711"}}
	for i := range n {
		list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprintf("web-%d", i), UID: "uid", ResourceVersion: fmt.Sprint(i),
			Labels:      map[string]string{"kubernetes.io/service-name": "web"},
			Annotations: map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": "2020-01-01T00:00:00Z"},
		}})
	}
	return list
}

// encoded returns an object in protobuf, in the envelope of an API server.
func encoded(t testing.TB, apiVersion, kind string, o interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	envelope := kruntime.Unknown{TypeMeta: kruntime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	b, err := envelope.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("k8s\x00"), b...)
}

func encodedMetadata(t testing.TB, n int) []byte {
	t.Helper()
	return encoded(t, "meta.k8s.io/v1", "PartialObjectMetadataList", metadataList(n))
}

func readAll(r io.Reader) (items []metav1.ObjectMeta, list metav1.ListMeta, err error) {
	list, err = listwatch.ReadMetadata(r, func(m *metav1.ObjectMeta) { items = append(items, *m) })
	return items, list, err
}

func TestReadMetadata(t *testing.T) {
	for _, n := range []int{0, 1, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := metadataList(n)
			b := encodedMetadata(t, n)
			for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b))} {
				items, list, err := readAll(r)
				if err != nil {
					t.Fatal(err)
				}
				var got []metav1.PartialObjectMetadata
				for _, m := range items {
					got = append(got, metav1.PartialObjectMetadata{ObjectMeta: m})
				}
				if diff := cmp.Diff(want.Items, got); diff != "" {
					t.Errorf("items (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want.ListMeta, list); diff != "" {
					t.Errorf("list (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Objects are passed on before the rest of the list arrives.
func TestReadMetadataAsItComes(t *testing.T) {
	b := encodedMetadata(t, 2)
	r, w := io.Pipe()
	first := make(chan string, 2)
	go func() {
		_, _ = w.Write(b[:len(b)-trailer-1]) // the last byte of the second object is missing
		name := <-first
		if name != "web-0" {
			w.CloseWithError(fmt.Errorf("first object: %s", name))
			return
		}
		_, _ = w.Write(b[len(b)-trailer-1:])
		w.Close()
	}()
	if _, err := listwatch.ReadMetadata(r, func(m *metav1.ObjectMeta) { first <- m.Name }); err != nil {
		t.Error(err)
	}
}

func TestReadMetadataCutOff(t *testing.T) {
	b := encodedMetadata(t, 2)
	for n := range len(b) - trailer {
		_, _, err := readAll(bytes.NewReader(b[:n]))
		switch {
		case err == nil:
			t.Errorf("%d of %d bytes are taken for the whole", n, len(b))
		case n > 0 && n < 4 && !errors.Is(err, listwatch.ErrNotAPI):
			t.Errorf("%d bytes: %v, want that it is no reply of an API server", n, err)
		case n%len(b) >= 4 && !errors.Is(err, io.ErrUnexpectedEOF):
			t.Errorf("%d bytes: %v, want an unexpected end", n, err)
		}
	}
}

func TestReadMetadataRefuses(t *testing.T) {
	whole := encoded(t, "v1", "ServiceList", &corev1.ServiceList{Items: []corev1.Service{{}}})
	envelope := func(fields ...string) string { return "k8s\x00" + strings.Join(fields, "") }
	typed := string(encodedMetadata(t, 1)[4:]) // up to the list
	typed = typed[:2+int(typed[1])]
	const otherKind, invalid, cutOff = "the reply has another kind of object", "the reply is not valid protobuf",
		"unexpected EOF"
	tests := []struct {
		name, body string
		want       string
	}{
		{"JSON", `{"kind":"ServiceList","apiVersion":"v1"}`, otherKind + ": ServiceList"},
		{"JSON without a kind", `{}`, otherKind + ": kind is missing"},
		{"JSON of a front end", `{"status":"ok","items":[]}`, otherKind + ": kind is missing"},
		{"JSON cut off", `{"kind":"PartialObjectMetadataList","items":[{"metadata":{}}`, cutOff},
		{"whole objects", string(whole), otherKind + ": ServiceList of v1"},
		{"no type", envelope("\x12\x00"), otherKind},
		{"a page of a proxy", "<html>", "the reply is neither Kubernetes protobuf nor JSON"},
		{"no list", envelope(typed), cutOff},
		{"type too large", envelope("\x0a\xff\xff\xff\xff\x0f"), invalid},
		{"type is no message", envelope("\x0a\x01\xff"), invalid},
		{"size out of range", envelope(typed, "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), invalid},
		{"object larger than the list", envelope(typed, "\x12\x03\x12\x7f\x00"), invalid},
		{"size beyond the end of the list", envelope(typed, "\x12\x02\x12\xff\x01"), cutOff},
		{"object is no message", envelope(typed, "\x12\x03\x12\x01\xff"), "an object that cannot be read: unexpected EOF"},
		{"number that does not end", envelope(typed, "\x12\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), invalid},
		{"field of unknown kind", envelope(typed, "\x12\x01\x0f"), invalid},
		{"fixed field larger than the list", envelope(typed, "\x12\x03\x09\x00\x00", "\x1a\x06abcdef"), invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			items, _, err := readAll(strings.NewReader(tt.body))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%d objects, error %v, want %s", len(items), err, tt.want)
			}
		})
	}
}

// Fields of later versions are skipped.
func TestReadMetadataSkipsUnknownFields(t *testing.T) {
	b := encodedMetadata(t, 1)
	typeEnd := 4 + 2 + int(b[5])
	unknown := "\x28\x96\x01" + "\x31abcdefgh" + "\x3dabcd" + "\x42\x02ab" // a number, 8 and 4 bytes, bytes
	raw := b[typeEnd:]
	list := raw[3 : len(raw)-trailer] // after its tag and two bytes of size
	body := binary.AppendUvarint(append([]byte(string(b[:typeEnd])+unknown), 0x12), uint64(len(unknown)+len(list)))
	items, meta, err := readAll(strings.NewReader(string(body) + unknown + string(list)))
	if err != nil || len(items) != 1 || items[0].Name != "web-0" || meta.ResourceVersion != "4711" {
		t.Errorf("%d objects of version %q, error %v", len(items), meta.ResourceVersion, err)
	}
}

// FuzzReadMetadata compares with the decoder of apimachinery.
func FuzzReadMetadata(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		f.Add(encodedMetadata(f, n))
	}
	f.Add(encodedMetadata(f, 2)[:100])
	f.Add([]byte("k8s\x00\x0a\xff\xff\xff\xff\x0f"))
	f.Add([]byte(`{"kind":"Status"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, meta, err := readAll(bytes.NewReader(b))
		want, ok := canonical(b)
		if !ok {
			return
		}
		if err != nil {
			t.Fatalf("apimachinery reads %d objects: %v", len(want.Items), err)
		}
		if len(items) != len(want.Items) || !reflect.DeepEqual(meta, want.ListMeta) {
			t.Fatalf("%d objects of %+v, want %d of %+v", len(items), meta, len(want.Items), want.ListMeta)
		}
		for i := range items {
			if !reflect.DeepEqual(items[i], want.Items[i].ObjectMeta) {
				t.Errorf("object %d: %+v, want %+v", i, items[i], want.Items[i].ObjectMeta)
			}
		}
	})
}

// canonical reads lists in the form that apimachinery would write.
func canonical(b []byte) (list metav1.PartialObjectMetadataList, ok bool) {
	body, ok := bytes.CutPrefix(b, []byte("k8s\x00"))
	var envelope kruntime.Unknown
	if !ok || envelope.Unmarshal(body) != nil || list.Unmarshal(envelope.Raw) != nil {
		return list, false
	}
	if envelope.APIVersion != "meta.k8s.io/v1" || envelope.Kind != "PartialObjectMetadataList" {
		return list, false
	}
	again, err := envelope.Marshal()
	if err != nil || !bytes.Equal(again, body) {
		return list, false
	}
	raw, err := list.Marshal()
	return list, err == nil && bytes.Equal(raw, envelope.Raw)
}

func BenchmarkReadMetadata(b *testing.B) {
	body := encodedMetadata(b, 11_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := listwatch.ReadMetadata(bytes.NewReader(body), func(*metav1.ObjectMeta) { n++ }); err != nil ||
			n != 11_000 {
			b.Fatal(n, err)
		}
	}
}
