package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// acceptMetadata asks for metadata and nothing else: an audit is not worth whole
// objects. Servers offer it from 1.15 on; older ones answer 406.
const acceptMetadata = protobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

var errNoMetadata = errors.New("the server does not list metadata alone")

// A shownState is what a server shows of a kind.
type shownState struct {
	objects map[kubedns.Key]kubedns.ObjectVersion
	version uint64 // of the list; 0 when it is no number
}

// states lists in which states the objects are. errNoMetadata means that the server
// cannot.
func (r resource[T]) states(ctx context.Context, version string) (shownState, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	shown := shownState{objects: map[kubedns.Key]kubedns.ObjectVersion{}}
	list, err := r.metadata(ctx, version, func(o raw) error {
		m, err := metadataOf(o)
		key := kubedns.Key{Namespace: m.Namespace, Name: m.Name}
		shown.objects[key] = kubedns.ObjectVersion{UID: string(m.UID), Version: m.ResourceVersion}
		return err
	})
	if err == nil && list.Continue != "" {
		err = errors.New("the list is not complete")
	}
	if err != nil {
		return shownState{}, fmt.Errorf("list metadata of %s: %w", r.name, err)
	}
	shown.version = number(list.ResourceVersion)
	return shown, nil
}

func (r resource[T]) metadata(ctx context.Context, version string, each func(raw) error) (metav1.ListMeta, error) {
	body, err := r.request(metav1.ListOptions{ResourceVersion: version}).SetHeader("Accept", acceptMetadata).Stream(ctx)
	if err == nil {
		defer body.Close()
		var list metav1.ListMeta
		list, err = readList(body, typeOf("meta.k8s.io/v1", "PartialObjectMetadataList"), each)
		if err == nil {
			return list, nil
		}
	}
	if apierrors.IsNotAcceptable(err) || apierrors.IsUnsupportedMediaType(err) ||
		errors.Is(err, errOtherKind) || errors.Is(err, errNotAPI) {
		err = fmt.Errorf("%w: %w", errNoMetadata, err)
	}
	return metav1.ListMeta{}, err
}
