// Package objects reads and writes only the kinds of objects that the plugin needs: the typed
// clients of client-go would link all kinds of Kubernetes.
package objects

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// A Resource is the objects of one kind in a namespace, or in all. Its methods are those of the
// typed clients of client-go.
type Resource[T, L any] struct {
	client          group
	name, namespace string
}

// of returns the object of a pointer to a kind of this package. All these pointers are runtime
// objects.
func of(p any) runtime.Object { return p.(runtime.Object) }

func (r Resource[T, L]) request(req *rest.Request) *rest.Request {
	return req.NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.name)
}

// Get returns one object.
func (r Resource[T, L]) Get(ctx context.Context, name string, opts metav1.GetOptions) (*T, error) {
	into := new(T)
	err := r.request(r.client.Get()).Name(name).VersionedParams(&opts, r.client.parameters).Do(ctx).Into(of(into))
	return into, err
}

// List returns the objects selected by the options.
func (r Resource[T, L]) List(ctx context.Context, opts metav1.ListOptions) (*L, error) {
	into := new(L)
	err := r.request(r.client.Get()).VersionedParams(&opts, r.client.parameters).Do(ctx).Into(of(into))
	return into, err
}

// Create creates an object.
func (r Resource[T, L]) Create(ctx context.Context, object *T, opts metav1.CreateOptions) (*T, error) {
	into := new(T)
	err := r.request(r.client.Post()).VersionedParams(&opts, r.client.parameters).
		Body(of(object)).Do(ctx).Into(of(into))
	return into, err
}

// Update replaces an object.
func (r Resource[T, L]) Update(ctx context.Context, object *T, opts metav1.UpdateOptions) (*T, error) {
	into := new(T)
	name := any(object).(metav1.Object).GetName()
	err := r.request(r.client.Put()).Name(name).VersionedParams(&opts,
		r.client.parameters).Body(of(object)).Do(ctx).Into(of(into))
	return into, err
}

// Patch changes an object. An apply patch creates it if it is missing.
func (r Resource[T, L]) Patch(
	ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions,
) (*T, error) {
	into := new(T)
	err := r.request(r.client.Patch(kind)).Name(name).VersionedParams(&opts,
		r.client.parameters).Body(patch).Do(ctx).Into(of(into))
	return into, err
}

// DeleteCollection deletes the objects selected by the options.
func (r Resource[T, L]) DeleteCollection(ctx context.Context, opts metav1.DeleteOptions,
	list metav1.ListOptions) error {
	return r.request(r.client.Delete()).VersionedParams(&list, r.client.parameters).Body(&opts).Do(ctx).Error()
}
