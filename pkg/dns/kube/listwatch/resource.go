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

// Protobuf is the media type in which API servers answer with protobuf.
const Protobuf = "application/vnd.kubernetes.protobuf"

const (
	// pageSize is the number of objects that one reply to a list may hold. Pages
	// spare the server; we read one object at a time anyway.
	pageSize = 500
	// pageTimeout bounds one page. API servers give up after a minute themselves.
	pageTimeout = time.Minute
	// acceptMetadata asks for metadata alone. Servers offer it from 1.15 on; older
	// ones answer 406.
	acceptMetadata = Protobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// ErrNoMetadata is returned by Metadata when the server cannot do it.
var ErrNoMetadata = errors.New("the server does not list metadata alone")

// errEnough ends a list early.
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
	// Decode makes a value of an object. Key and Version return its key and its
	// resourceVersion.
	Decode  Decoder[T]
	Key     func(T) Key
	Version func(T) string
	// Trigger returns when the cause of a change happened that an object was written
	// for; zero when that is unknown. Nil: always.
	Trigger func(Raw) time.Time
	// Selector restricts the resource.
	Selector Selector
}

// A Selector restricts a resource. The zero value selects everything.
type Selector struct {
	Namespace      string // empty: all
	Fields, Labels string
}

// Where returns the resource restricted to what s selects.
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
	// Retries are the caller's: client-go would retry for up to ten seconds and
	// keep the reason to itself.
	return r.API.Get().AbsPath(apiPath(r.Kind.APIVersion)).Namespace(r.Selector.Namespace).Resource(r.Name).
		VersionedParams(&opts, metav1.ParameterCodec).MaxRetries(0)
}

// apiPath returns where the resources of an API are.
func apiPath(apiVersion string) string {
	if strings.Contains(apiVersion, "/") {
		return "/apis/" + apiVersion
	}
	return "/api/" + apiVersion
}

// List returns all objects, and the version of the list that a watch can start
// from. It reads the newest state, never a server's older cache: a list must
// not return to a state before the one that is held.
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
		// The objects changed faster than we read. After a second time, take
		// all in one piece.
		if try == 2 {
			limit = 0
		}
	}
}

// Each calls each with one object after the other, in pages of limit objects,
// until it returns false, and returns the version of the list; empty when it was
// not read to its end. Zero means no limit.
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

// read reads a list of the given type that is the answer to a request.
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

// NewestVersion returns the version of the server's newest state. It reads one
// object at most.
func (r Resource[T]) NewestVersion(ctx context.Context) (string, error) {
	m, err := r.page(ctx, metav1.ListOptions{Limit: 1}, func(Raw) error { return nil })
	if err != nil {
		return "", fmt.Errorf("read the newest version of %s: %w", r.Name, err)
	}
	return m.ResourceVersion, nil
}

// Metadata calls each with the metadata of one object after the other, and returns
// the version of the list. With version "0" the server answers from its watch
// cache, which may be behind; with "" it reads the newest state from the storage.
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
