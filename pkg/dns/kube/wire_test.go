package kube_test

import (
	"io"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
)

// A wire is an encoding of objects.
type wire struct {
	mediaType string
	info      kruntime.SerializerInfo
	codecs    serializer.CodecFactory
}

var (
	jsonWire     = newWire("application/json")
	protobufWire = newWire("application/vnd.kubernetes.protobuf")
)

func newWire(mediaType string) wire {
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, discoveryv1beta1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	codecs := serializer.NewCodecFactory(scheme)
	info, ok := kruntime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		panic("no serializer for " + mediaType)
	}
	return wire{mediaType: mediaType, info: info, codecs: codecs}
}

var groups = []schema.GroupVersion{
	corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion, discoveryv1beta1.SchemeGroupVersion,
}

func (w wire) encode(o kruntime.Object) ([]byte, error) {
	o = o.DeepCopyObject() // an encoder sets its kind
	return kruntime.Encode(w.codecs.EncoderForVersion(w.info.Serializer, schema.GroupVersions(groups)), o)
}

// events returns a function that writes the events of a watch.
func (w wire) events(to io.Writer) func(watch.EventType, kruntime.Object) error {
	enc := streaming.NewEncoder(
		w.info.StreamSerializer.Framer.NewFrameWriter(to),
		w.codecs.EncoderForVersion(w.info.StreamSerializer, corev1.SchemeGroupVersion))
	return func(kind watch.EventType, o kruntime.Object) error {
		raw, err := w.encode(o)
		if err != nil {
			return err
		}
		return enc.Encode(&metav1.WatchEvent{Type: string(kind), Object: kruntime.RawExtension{Raw: raw}})
	}
}

func newList(path string, m metav1.ListMeta, items []kruntime.Object) kruntime.Object {
	list := map[string]kruntime.Object{
		servicesPath: &corev1.ServiceList{}, endpointsPath: &corev1.EndpointsList{}, nodesPath: &corev1.NodeList{},
		configMapsPath: &corev1.ConfigMapList{}, slicesPath: &discoveryv1.EndpointSliceList{},
		betaSlicesPath: &discoveryv1beta1.EndpointSliceList{},
	}[path]
	if err := meta.SetList(list, items); err != nil {
		panic(err)
	}
	a, err := meta.ListAccessor(list)
	if err != nil {
		panic(err)
	}
	a.SetResourceVersion(m.ResourceVersion)
	a.SetContinue(m.Continue)
	return list
}

// bookmark ends a streamed list.
func bookmark(path string, revision int) kruntime.Object {
	o := progress(path, revision)
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err)
	}
	m.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	return o
}

// progress is an ordinary bookmark.
func progress(path string, revision int) kruntime.Object {
	m := metav1.ObjectMeta{ResourceVersion: strconv.Itoa(revision)}
	switch path {
	case servicesPath:
		return &corev1.Service{ObjectMeta: m}
	case endpointsPath:
		return &corev1.Endpoints{ObjectMeta: m}
	case betaSlicesPath:
		return &discoveryv1beta1.EndpointSlice{ObjectMeta: m}
	default:
		return &discoveryv1.EndpointSlice{ObjectMeta: m}
	}
}
