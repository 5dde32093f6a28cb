// Package migrate plans the move of a cluster's DNS from CoreDNS to kube-dns, or back.
//
// It is pure: it reads the objects of an [Inventory], and makes a [Plan] with the objects of
// the other server. Package move applies a plan.
package migrate

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The two DNS servers. They are the values of --to, and names of Deployments.
const (
	CoreDNS = "coredns"
	KubeDNS = "kube-dns"
)

// An Inventory has the relevant objects of a namespace.
type Inventory struct {
	Namespace   string
	Deployments []appsv1.Deployment
	Services    []corev1.Service
	ConfigMaps  []corev1.ConfigMap
}

// Add adds an object in JSON. It ignores objects of other kinds and namespaces.
func (inv *Inventory) Add(kind string, object []byte) (err error) {
	switch kind {
	case "Deployment":
		inv.Deployments, err = decodeInto(inv.Deployments, object, inv.Namespace)
	case "Service":
		inv.Services, err = decodeInto(inv.Services, object, inv.Namespace)
	case "ConfigMap":
		inv.ConfigMaps, err = decodeInto(inv.ConfigMaps, object, inv.Namespace)
	}
	return err
}

// decodeInto appends the object in text if it is in the namespace.
func decodeInto[T any, P interface {
	*T
	metav1.Object
}](list []T, text []byte, namespace string) ([]T, error) {
	var object T
	if err := json.Unmarshal(text, &object); err != nil {
		return list, err
	}
	if ns := P(&object).GetNamespace(); ns != "" && ns != namespace {
		return list, nil
	}
	P(&object).SetNamespace(namespace)
	return append(list, object), nil
}

// configMap returns the ConfigMap of a name, or nil.
func (inv Inventory) configMap(name string) *corev1.ConfigMap {
	i := slices.IndexFunc(inv.ConfigMaps, func(c corev1.ConfigMap) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &inv.ConfigMaps[i]
}

// A Server is a DNS server in an inventory.
type Server struct {
	// Kind is CoreDNS or KubeDNS.
	Kind       string
	Deployment appsv1.Deployment
}

// Replicas returns the desired number of pods.
func (s Server) Replicas() int32 {
	if s.Deployment.Spec.Replicas == nil {
		return 1
	}
	return *s.Deployment.Spec.Replicas
}

// Servers returns the Deployments that run CoreDNS or kube-dns.
func (inv Inventory) Servers() []Server {
	var servers []Server
	for _, d := range inv.Deployments {
		if kind := kindOf(d.Spec.Template.Spec); kind != "" {
			servers = append(servers, Server{kind, d})
		}
	}
	return servers
}

// Server returns the server of a kind. It prefers a server with pods.
func (inv Inventory) Server(kind string) (Server, bool) {
	var found []Server
	for _, s := range inv.Servers() {
		if s.Kind == kind {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b Server) int { return int(b.Replicas() - a.Replicas()) })
	if len(found) == 0 {
		return Server{}, false
	}
	return found[0], true
}

// source returns the server of the other kind than to.
func (inv Inventory) source(to string) (Server, error) {
	from := KubeDNS
	if to == KubeDNS {
		from = CoreDNS
	}
	if s, ok := inv.Server(from); ok {
		return s, nil
	}
	if s, ok := inv.Server(to); ok && s.Replicas() > 0 {
		return Server{}, fmt.Errorf("there is no %s in namespace %s, and deployment/%s runs %s already: "+
			"nothing to do", from, inv.Namespace, s.Deployment.Name, to)
	}
	names := make([]string, 0, len(inv.Deployments))
	for _, d := range inv.Deployments {
		names = append(names, d.Name)
	}
	tried := "there are no Deployments"
	if len(names) > 0 {
		tried = "the Deployments there are " + strings.Join(names, ", ")
	}
	return Server{}, fmt.Errorf("no Deployment in namespace %s has an image %s: %s; name the namespace with -n",
		inv.Namespace, from, tried)
}

// kindOf returns the server of a pod, or "".
func kindOf(pod corev1.PodSpec) string {
	for _, c := range pod.Containers {
		switch image := imageName(c.Image); {
		case strings.HasSuffix(image, "coredns"):
			return CoreDNS
		case strings.HasSuffix(image, "dns-kube-dns") || strings.Contains(image, "kube-dns-amd64") ||
			strings.HasPrefix(image, "k8s-dns-kube-dns") || image == "kube-dns" || strings.HasPrefix(image, "kubedns"):
			return KubeDNS
		}
	}
	return ""
}

// imageName returns the last part of an image without tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name, _, _ := strings.Cut(path.Base(image), ":")
	return name
}

// Service returns the Service of the pods of either server: the Service kube-dns, or one on port 53
// that selects the pods of s.
func (inv Inventory) Service(s Server) (corev1.Service, error) {
	pods := labels.Set(s.Deployment.Spec.Template.Labels)
	var names []string
	for _, svc := range inv.Services {
		names = append(names, svc.Name)
		if svc.Name == KubeDNS && servesDNS(svc) {
			return svc, nil
		}
	}
	for _, svc := range inv.Services {
		if servesDNS(svc) && len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(pods) {
			return svc, nil
		}
	}
	return corev1.Service{}, fmt.Errorf("no Service in namespace %s on port 53 is named kube-dns or selects the pods "+
		"of deployment/%s (%s): found %s", inv.Namespace, s.Deployment.Name, pods, orNone(names))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func servesDNS(svc corev1.Service) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 53 })
}
