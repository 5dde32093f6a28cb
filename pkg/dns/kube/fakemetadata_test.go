package kube_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// metadataAlone is the media type of requests for metadata. The fake records "metadata" for the
// verb of such a request.
const metadataAlone = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// A metadataAPI controls how a fake API server lists metadata.
type metadataAPI struct {
	refuse int  // HTTP status
	whole  bool // replies with complete objects
	cut    int  // this many bytes are missing at the end
	// edit changes the listed metadata.
	edit func(path string, list *metav1.PartialObjectMetadataList)
	// editCache: only in lists from the cache.
	editCache bool
}

func (a *fakeAPI) listMetadata(sel selection, cached bool) *http.Response {
	items := a.selected(sel)
	listMeta := metav1.ListMeta{ResourceVersion: strconv.Itoa(a.revision)}
	switch {
	case a.metadata.refuse != 0:
		return a.answer(a.metadata.refuse, statusObject(a.metadata.refuse))
	case a.metadata.whole:
		return a.answer(200, newList(sel.path, listMeta, items))
	}
	list := &metav1.PartialObjectMetadataList{ListMeta: listMeta}
	for _, o := range items {
		list.Items = append(list.Items, metadataOf(o))
	}
	if a.metadata.edit != nil && (cached || !a.metadata.editCache) {
		a.metadata.edit(sel.path, list)
	}
	b, err := encodeMetadata(a.wire(), list)
	if err != nil {
		panic(err)
	}
	return a.response(200, io.NopCloser(bytes.NewReader(b[:len(b)-a.metadata.cut])))
}

func encodeMetadata(w wire, list *metav1.PartialObjectMetadataList) ([]byte, error) {
	list = list.DeepCopy()
	list.TypeMeta = metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}
	return kruntime.Encode(w.info.Serializer, list)
}

// metadataOf returns the metadata of an object, including the fields that servers add.
func metadataOf(o kruntime.Object) metav1.PartialObjectMetadata {
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err)
	}
	p := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: m.GetNamespace(), Name: m.GetName(), UID: m.GetUID(), ResourceVersion: m.GetResourceVersion(),
		Labels: m.GetLabels(),
	}}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`),
	}}
	return p
}

// silently makes changes with store and drop that no watch reports.
func (a *fakeAPI) silently(f func()) {
	a.change(func() {
		n := len(a.history)
		f()
		a.history = a.history[:n]
	})
}

// restore restores the older state of an object from a backup, with the lock held.
func (a *fakeAPI) restore(o kruntime.Object, revision int) {
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(revision))
	a.held[pathOf(o)][objectKey(o)] = o
}

// pass makes the watches of a path pass the present.
func (a *fakeAPI) pass(path string) {
	a.change(func() {
		a.revision++
		a.history = append(a.history, change{path, a.revision, watch.Bookmark, progress(path, a.revision)})
	})
}

// phantom lists an object that does not exist.
func phantom(path, version string) func(string, *metav1.PartialObjectMetadataList) {
	return func(p string, list *metav1.PartialObjectMetadataList) {
		if p == path {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "phantom", UID: "u", ResourceVersion: version},
			})
		}
	}
}
