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

// A Set has the objects of a cluster, by their groups.
type Set struct {
	Core          Core
	Apps          Apps
	Authorization Authorization
	Discovery     Discovery
	Policy        Policy
	Rbac          Rbac
}

// NewSet returns the objects that h reaches.
func NewSet(cfg *rest.Config, h *http.Client) (Set, error) {
	var s Set
	scheme := newScheme()
	for version, into := range map[schema.GroupVersion]*group{
		corev1.SchemeGroupVersion:          &s.Core.client,
		appsv1.SchemeGroupVersion:          &s.Apps.client,
		authorizationv1.SchemeGroupVersion: &s.Authorization.client,
		discoveryv1.SchemeGroupVersion:     &s.Discovery.client,
		policyv1.SchemeGroupVersion:        &s.Policy.client,
		rbacv1.SchemeGroupVersion:          &s.Rbac.client,
	} {
		c, err := newGroup(cfg, h, version, scheme)
		if err != nil {
			return Set{}, err
		}
		*into = c
	}
	return s, nil
}

// Core is the group without a name.
type Core struct{ client group }

// RESTClient returns the client for other requests.
func (c Core) RESTClient() rest.Interface { return c.client }

// Pods returns those of a namespace, or of all if it is empty.
func (c Core) Pods(namespace string) Resource[corev1.Pod, corev1.PodList] {
	return Resource[corev1.Pod, corev1.PodList]{c.client, "pods", namespace}
}

// Logs requests the log of a container.
func (c Core) Logs(namespace, pod string, opts *corev1.PodLogOptions) *rest.Request {
	return c.client.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").VersionedParams(opts,
		c.client.parameters)
}

// Services returns those of a namespace, or of all if it is empty.
func (c Core) Services(namespace string) Resource[corev1.Service, corev1.ServiceList] {
	return Resource[corev1.Service, corev1.ServiceList]{c.client, "services", namespace}
}

// ConfigMaps returns those of a namespace.
func (c Core) ConfigMaps(namespace string) Resource[corev1.ConfigMap, corev1.ConfigMapList] {
	return Resource[corev1.ConfigMap, corev1.ConfigMapList]{c.client, "configmaps", namespace}
}

// ServiceAccounts returns those of a namespace.
func (c Core) ServiceAccounts(namespace string) Resource[corev1.ServiceAccount, corev1.ServiceAccountList] {
	return Resource[corev1.ServiceAccount, corev1.ServiceAccountList]{c.client, "serviceaccounts", namespace}
}

// Events returns those of a namespace.
func (c Core) Events(namespace string) Resource[corev1.Event, corev1.EventList] {
	return Resource[corev1.Event, corev1.EventList]{c.client, "events", namespace}
}

// Nodes returns the nodes.
func (c Core) Nodes() Resource[corev1.Node, corev1.NodeList] {
	return Resource[corev1.Node, corev1.NodeList]{c.client, "nodes", ""}
}

// Namespaces returns the namespaces.
func (c Core) Namespaces() Resource[corev1.Namespace, corev1.NamespaceList] {
	return Resource[corev1.Namespace, corev1.NamespaceList]{c.client, "namespaces", ""}
}

// Apps is the group of that name.
type Apps struct{ client group }

// Deployments returns those of a namespace.
func (a Apps) Deployments(namespace string) Resource[appsv1.Deployment, appsv1.DeploymentList] {
	return Resource[appsv1.Deployment, appsv1.DeploymentList]{a.client, "deployments", namespace}
}

// ReplicaSets returns those of a namespace.
func (a Apps) ReplicaSets(namespace string) Resource[appsv1.ReplicaSet, appsv1.ReplicaSetList] {
	return Resource[appsv1.ReplicaSet, appsv1.ReplicaSetList]{a.client, "replicasets", namespace}
}

// Authorization is the group of that name. Its objects are only created, and never stored.
type Authorization struct{ client group }

// SelfSubjectAccessReviews asks for rights of the user.
func (a Authorization) SelfSubjectAccessReviews() Resource[authorizationv1.SelfSubjectAccessReview, struct{}] {
	return Resource[authorizationv1.SelfSubjectAccessReview, struct{}]{a.client, "selfsubjectaccessreviews", ""}
}

// SubjectAccessReviews asks for rights of others.
func (a Authorization) SubjectAccessReviews() Resource[authorizationv1.SubjectAccessReview, struct{}] {
	return Resource[authorizationv1.SubjectAccessReview, struct{}]{a.client, "subjectaccessreviews", ""}
}

// Discovery is the group of that name.
type Discovery struct{ client group }

// EndpointSlices returns those of a namespace, or of all if it is empty.
func (d Discovery) EndpointSlices(namespace string) Resource[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList] {
	return Resource[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList]{d.client, "endpointslices", namespace}
}

// Policy is the group of that name.
type Policy struct{ client group }

// PodDisruptionBudgets returns those of a namespace.
func (p Policy) PodDisruptionBudgets(namespace string) Resource[policyv1.PodDisruptionBudget,
	policyv1.PodDisruptionBudgetList] {
	return Resource[policyv1.PodDisruptionBudget, policyv1.PodDisruptionBudgetList]{p.client, "poddisruptionbudgets",
		namespace}
}

// Rbac is the group of that name.
type Rbac struct{ client group }

// ClusterRoles returns the cluster roles.
func (r Rbac) ClusterRoles() Resource[rbacv1.ClusterRole, rbacv1.ClusterRoleList] {
	return Resource[rbacv1.ClusterRole, rbacv1.ClusterRoleList]{r.client, "clusterroles", ""}
}

// ClusterRoleBindings returns the cluster role bindings.
func (r Rbac) ClusterRoleBindings() Resource[rbacv1.ClusterRoleBinding, rbacv1.ClusterRoleBindingList] {
	return Resource[rbacv1.ClusterRoleBinding, rbacv1.ClusterRoleBindingList]{r.client, "clusterrolebindings", ""}
}
