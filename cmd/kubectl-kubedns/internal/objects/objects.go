package objects

import (
	"net/http"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// A group is a client of one group of kinds.
type group struct {
	rest.Interface
	parameters runtime.ParameterCodec
}

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, authorizationv1.AddToScheme, discoveryv1.AddToScheme,
		policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // two kinds of one name
		}
	}
	return s
}

func newGroup(cfg *rest.Config, h *http.Client, version schema.GroupVersion, scheme *runtime.Scheme) (group, error) {
	c := rest.CopyConfig(cfg)
	c.GroupVersion = &version
	c.APIPath = "/apis"
	if version.Group == "" {
		c.APIPath = "/api"
	}
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(c, h)
	return group{client, runtime.NewParameterCodec(scheme)}, err
}

// A Set has the objects of a cluster.
type Set struct{ core, apps, authorization, discovery, policy, rbac group }

// NewSet returns the objects reachable through h.
func NewSet(cfg *rest.Config, h *http.Client) (Set, error) {
	var s Set
	scheme := newScheme()
	for version, into := range map[schema.GroupVersion]*group{
		corev1.SchemeGroupVersion:          &s.core,
		appsv1.SchemeGroupVersion:          &s.apps,
		authorizationv1.SchemeGroupVersion: &s.authorization,
		discoveryv1.SchemeGroupVersion:     &s.discovery,
		policyv1.SchemeGroupVersion:        &s.policy,
		rbacv1.SchemeGroupVersion:          &s.rbac,
	} {
		c, err := newGroup(cfg, h, version, scheme)
		if err != nil {
			return Set{}, err
		}
		*into = c
	}
	return s, nil
}

// RESTClient returns the client for other requests.
func (s Set) RESTClient() rest.Interface { return s.core }

// Pods returns the pods of a namespace, or of all if it is empty.
func (s Set) Pods(namespace string) Resource[corev1.Pod, corev1.PodList] {
	return Resource[corev1.Pod, corev1.PodList]{s.core, "pods", namespace}
}

// Logs requests the log of a container.
func (s Set) Logs(namespace, pod string, opts *corev1.PodLogOptions) *rest.Request {
	return s.core.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").VersionedParams(opts,
		s.core.parameters)
}

// Services returns the Services of a namespace, or of all if it is empty.
func (s Set) Services(namespace string) Resource[corev1.Service, corev1.ServiceList] {
	return Resource[corev1.Service, corev1.ServiceList]{s.core, "services", namespace}
}

// ConfigMaps returns the ConfigMaps of a namespace.
func (s Set) ConfigMaps(namespace string) Resource[corev1.ConfigMap, corev1.ConfigMapList] {
	return Resource[corev1.ConfigMap, corev1.ConfigMapList]{s.core, "configmaps", namespace}
}

// ServiceAccounts returns the ServiceAccounts of a namespace.
func (s Set) ServiceAccounts(namespace string) Resource[corev1.ServiceAccount, corev1.ServiceAccountList] {
	return Resource[corev1.ServiceAccount, corev1.ServiceAccountList]{s.core, "serviceaccounts", namespace}
}

// Events returns the Events of a namespace.
func (s Set) Events(namespace string) Resource[corev1.Event, corev1.EventList] {
	return Resource[corev1.Event, corev1.EventList]{s.core, "events", namespace}
}

// Nodes returns the nodes.
func (s Set) Nodes() Resource[corev1.Node, corev1.NodeList] {
	return Resource[corev1.Node, corev1.NodeList]{s.core, "nodes", ""}
}

// Namespaces returns the namespaces.
func (s Set) Namespaces() Resource[corev1.Namespace, corev1.NamespaceList] {
	return Resource[corev1.Namespace, corev1.NamespaceList]{s.core, "namespaces", ""}
}

// Deployments returns the Deployments of a namespace.
func (s Set) Deployments(namespace string) Resource[appsv1.Deployment, appsv1.DeploymentList] {
	return Resource[appsv1.Deployment, appsv1.DeploymentList]{s.apps, "deployments", namespace}
}

// ReplicaSets returns the ReplicaSets of a namespace.
func (s Set) ReplicaSets(namespace string) Resource[appsv1.ReplicaSet, appsv1.ReplicaSetList] {
	return Resource[appsv1.ReplicaSet, appsv1.ReplicaSetList]{s.apps, "replicasets", namespace}
}

// SelfSubjectAccessReviews checks the rights of the user.
func (s Set) SelfSubjectAccessReviews() Resource[authorizationv1.SelfSubjectAccessReview, struct{}] {
	return Resource[authorizationv1.SelfSubjectAccessReview, struct{}]{s.authorization, "selfsubjectaccessreviews", ""}
}

// SubjectAccessReviews checks the rights of another user.
func (s Set) SubjectAccessReviews() Resource[authorizationv1.SubjectAccessReview, struct{}] {
	return Resource[authorizationv1.SubjectAccessReview, struct{}]{s.authorization, "subjectaccessreviews", ""}
}

// EndpointSlices returns the EndpointSlices of a namespace, or of all if it is empty.
func (s Set) EndpointSlices(namespace string) Resource[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList] {
	return Resource[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList]{s.discovery, "endpointslices", namespace}
}

// PodDisruptionBudgets returns the PodDisruptionBudgets of a namespace.
func (s Set) PodDisruptionBudgets(namespace string) Resource[policyv1.PodDisruptionBudget,
	policyv1.PodDisruptionBudgetList] {
	return Resource[policyv1.PodDisruptionBudget, policyv1.PodDisruptionBudgetList]{s.policy, "poddisruptionbudgets",
		namespace}
}

// ClusterRoles returns the cluster roles.
func (s Set) ClusterRoles() Resource[rbacv1.ClusterRole, rbacv1.ClusterRoleList] {
	return Resource[rbacv1.ClusterRole, rbacv1.ClusterRoleList]{s.rbac, "clusterroles", ""}
}

// ClusterRoleBindings returns the cluster role bindings.
func (s Set) ClusterRoleBindings() Resource[rbacv1.ClusterRoleBinding, rbacv1.ClusterRoleBindingList] {
	return Resource[rbacv1.ClusterRoleBinding, rbacv1.ClusterRoleBindingList]{s.rbac, "clusterrolebindings", ""}
}
