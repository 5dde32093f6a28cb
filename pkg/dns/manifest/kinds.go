package manifest

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kinds are the kinds of objects of the groups that names come from.
func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	types := runtime.SchemeBuilder{corev1.AddToScheme, discoveryv1.AddToScheme, discoveryv1beta1.AddToScheme}
	if err := types.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	return scheme, nil
}

// unknownKind returns why the API has no objects of a type; nothing when it has, or when
// no names come from its group, whose kinds we do not have.
func unknownKind(all *runtime.Scheme, h metav1.TypeMeta) string {
	kind := h.GroupVersionKind()
	if kind.Group != "" && kind.Group != discoveryv1.GroupName || all.Recognizes(kind) {
		return ""
	}
	reason := fmt.Sprintf("%s has no kind %q", h.APIVersion, h.Kind)
	for _, from := range []schema.GroupVersion{corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion} {
		for name := range all.KnownTypes(from) {
			if strings.EqualFold(name, h.Kind) {
				return fmt.Sprintf("%s: write apiVersion: %s, kind: %s", reason, from, name)
			}
		}
	}
	return reason
}
