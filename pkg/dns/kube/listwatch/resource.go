package listwatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Protobuf is the media type of protobuf replies of API servers.
const Protobuf = "application/vnd.kubernetes.protobuf"

const (
	// pageSize is the maximum number of objects in one reply to a list. Pages spare the server; we
	// read one object at a time anyway.
	pageSize = 500
	// pageTimeout bounds one page. API servers also give up after a minute.
	pageTimeout = time.Minute
	// acceptMetadata requests only metadata. Servers support it since 1.15; older servers reply
	// 406.
	acceptMetadata = Protobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// ErrNoMetadata is returned by Metadata if the server does not support it.
var ErrNoMetadata = errors.New("the server does not list only metadata")

// errEnough stops a list early.
var errEnough = errors.New("enough was read")

// A Key is the namespace and name of an object.
type Key struct{ Namespace, Name string }

// A Resource is one kind of object of the API, as values of T. It is immutable.
type Resource[T any] struct {
	// Name is the plural, as in paths; Kind is the type of one object.
	Name string
	Kind metav1.TypeMeta
	// API is a client of the server.
	API rest.Interface
	// Decode converts an object. Key and Version return its key and its resourceVersion.
	Decode  Decoder[T]
	Key     func(T) Key
	Version func(T) string
	// Trigger returns when the cause of a change happened that an object was written for; zero if
	// unknown. Nil: always.
	Trigger func(Raw) time.Time
	// Selector restricts the resource.
	Selector Selector
}

// A Selector restricts a resource. The zero value selects everything.
type Selector struct {
	Namespace      string // empty: all
	Fields, Labels string
}

// Where returns the resource restricted by s.
func (r Resource[T]) Where(s Selector) Resource[T] {
	r.Selector = s
	return r
}

func (r Resource[T]) triggerOf(o Raw) time.Time {
	if r.Trigger == nil {
		return time.Time{}
	}
	return r.Trigger(o)
}

func (r Resource[T]) request(opts metav1.ListOptions) *rest.Request {
	opts.FieldSelector, opts.LabelSelector = r.Selector.Fields, r.Selector.Labels
	// The caller retries: client-go would retry for up to ten seconds and hide the reason.
	return r.API.Get().AbsPath(apiPath(r.Kind.APIVersion)).Namespace(r.Selector.Namespace).Resource(r.Name).
		VersionedParams(&opts, metav1.ParameterCodec).MaxRetries(0)
}

// apiPath returns the path of an API.
func apiPath(apiVersion string) string {
	if strings.Contains(apiVersion, "/") {
		return "/apis/" + apiVersion
	}
	return "/api/" + apiVersion
}

// List returns all objects, and the version of the list, from which a watch can start. It reads the
// newest state, never a server's older cache: a list must not go back to an older state than ours.
func (r Resource[T]) List(ctx context.Context) (items []T, version string, err error) {
	limit := int64(pageSize)
	for try := 1; ; try++ {
		items = nil
		version, err = r.Each(ctx, limit, func(v T) bool {
			items = append(items, v)
			return true
		})
		if err == nil || !expired(err) || try == 3 {
			return items, version, err
		}
		// The objects changed faster than we read. After a second time, request all in one piece.
		if try == 2 {
			limit = 0
		}
	}
}

// Each calls each for every object, in pages of limit objects, until it returns false. It returns
// the version of the list, or "" if it was not read to its end. Zero means no limit.
func (r Resource[T]) Each(ctx context.Context, limit int64, each func(T) bool) (version string, err error) {
	opts := metav1.ListOptions{Limit: limit}
	for {
		m, err := r.page(ctx, opts, func(o Raw) error {
			v, kept, err := r.Decode(o)
			if err == nil && kept && !each(v) {
				err = errEnough
			}
			return err
		})
		switch {
		case errors.Is(err, errEnough):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("list %s: %w", r.Name, err)
		}
		if version == "" {
			version = m.ResourceVersion
		}
		if m.Continue == "" {
			return version, nil
		}
		opts.Continue = m.Continue
	}
}

func (r Resource[T]) page(ctx context.Context, opts metav1.ListOptions, each func(Raw) error) (metav1.ListMeta, error) {
	list := metav1.TypeMeta{APIVersion: r.Kind.APIVersion, Kind: r.Kind.Kind + "List"}
	return read(ctx, r.request(opts), list, each)
}

// read reads a list of the given type from the reply to a request.
func read(
	ctx context.Context, from *rest.Request, want metav1.TypeMeta, each func(Raw) error,
) (metav1.ListMeta, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	body, err := from.Stream(ctx)
	if err != nil {
		return metav1.ListMeta{}, err
	}
	defer body.Close()
	return readList(body, want, each)
}

// NewestVersion returns the version of the server's newest state. It reads at most one object.
func (r Resource[T]) NewestVersion(ctx context.Context) (string, error) {
	m, err := r.page(ctx, metav1.ListOptions{Limit: 1}, func(Raw) error { return nil })
	if err != nil {
		return "", fmt.Errorf("read the newest version of %s: %w", r.Name, err)
	}
	return m.ResourceVersion, nil
}

// Metadata calls each for the metadata of every object, and returns the version of the list.
// Version "0" reads the server's watch cache, which can lag. Version "" reads the newest state from
// the storage.
func (r Resource[T]) Metadata(ctx context.Context, version string, each func(metav1.ObjectMeta)) (string, error) {
	request := r.request(metav1.ListOptions{ResourceVersion: version}).SetHeader("Accept", acceptMetadata)
	list, err := read(ctx, request, metadataList, func(o Raw) error {
		m, err := metadataOf(o)
		if err == nil {
			each(m)
		}
		return err
	})
	switch {
	case err == nil && list.Continue != "":
		err = errors.New("the list is not complete")
	case apierrors.IsNotAcceptable(err), apierrors.IsUnsupportedMediaType(err),
		errors.Is(err, errOtherKind), errors.Is(err, errNotAPI):
		err = fmt.Errorf("%w: %w", ErrNoMetadata, err)
	}
	if err != nil {
		return "", fmt.Errorf("list metadata of %s: %w", r.Name, err)
	}
	return list.ResourceVersion, nil
}

// metadataList is the type of a list of metadata.
var metadataList = metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}
