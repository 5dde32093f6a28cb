package check

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// Facts are the input of the checks. An unreadable fact is absent, and Unread has the reason.
type Facts struct {
	Namespace string
	// Files are the files that the facts come from. With files there are no pods to query.
	Files    []string
	Options  Options
	Objects  Objects
	Kubelets []Kubelet
	Pods     []Pod
	// Account maps a resource to whether the service account can list and watch it.
	Account map[string]bool
	// Unread maps an unreadable fact, such as "services", to the reason.
	Unread map[string]string
}

// Options are set by the user.
type Options struct {
	Zone    string // without leading and final dots; empty: the zone of the pods
	Outside string
}

// Objects are those of the namespace of kube-dns.
type Objects struct {
	Service     *corev1.Service
	Slices      []discoveryv1.EndpointSlice
	Deployments []appsv1.Deployment
	Budgets     []policyv1.PodDisruptionBudget
	Config      *corev1.ConfigMap
	Autoscalers []Autoscaler
	// Kubernetes are the addresses of the Service default/kubernetes.
	Kubernetes []string
	// Zones maps a node to its topology zone.
	Zones map[string]string
}

// A Kubelet is the part of resolv.conf that a kubelet sets for pods.
type Kubelet struct {
	// Of is the source: "node NAME", or "ConfigMap kubelet-config" for all kubelets.
	Of        string
	Addresses []string
	Domain    string
}

// An Autoscaler is a Deployment that sets the replicas of another.
type Autoscaler struct{ Name, Target string }

// AutoscalersOf returns the scaling targets of a Deployment. Only the
// cluster-proportional-autoscaler has its target in its arguments, as in
// --target=deployment/kube-dns.
func AutoscalersOf(d *appsv1.Deployment) []Autoscaler {
	if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		return nil
	}
	var found []Autoscaler
	for i := range d.Spec.Template.Spec.Containers {
		for target := range strings.SplitSeq(Flag(Args(&d.Spec.Template.Spec.Containers[i]), "target"), ",") {
			kind, name, ok := strings.Cut(strings.TrimSpace(target), "/")
			if ok && strings.EqualFold(kind, "deployment") {
				found = append(found, Autoscaler{d.Name, name})
			}
		}
	}
	return found
}

// A Server is the DNS server of a pod.
type Server string

// The servers that a pod can run.
const (
	KubeDNS Server = "kube-dns"
	CoreDNS Server = "CoreDNS"
	Other   Server = "another server"
)

// A Pod is a pod of the selector, or the template of a Deployment in a file.
type Pod struct {
	Name   string
	Object *corev1.Pod
	// Pages maps a name, such as "readiness", to the page that the pod served.
	Pages map[string]Page
	// Digest is a hash of all names, empty if unreadable.
	Digest          string
	Inside, Outside *Reply
}

// A Page is a page served by a port of a pod.
type Page struct {
	Body []byte
	Err  string // why there is no page; with Body, the status was not 200
	// Missing reports that a pod of this kind or version has no such page.
	Missing bool
}

// A Reply is a reply to a DNS query.
type Reply struct {
	Rcode   string
	Records []string // data of the answer section
	TTL     uint32   // the highest
	Err     string
	Took    time.Duration
}

// ServerOf returns the server of a pod, determined from its containers.
func ServerOf(spec *corev1.PodSpec) Server {
	if container(spec, "kubedns", "kube-dns") != nil {
		return KubeDNS
	}
	if container(spec, "coredns") != nil {
		return CoreDNS
	}
	return Other
}

// server returns the server of the pod.
func (p *Pod) server() Server { return ServerOf(&p.Object.Spec) }

func (p *Pod) title() string { return "pod " + p.Name }

// ours returns the kube-dns pods.
func (f *Facts) ours() []Pod {
	return slices.DeleteFunc(slices.Clone(f.Pods), func(p Pod) bool { return p.server() != KubeDNS })
}

// unread returns why a fact could not be read, or "".
func (f *Facts) unread(what string) string { return f.Unread[what] }

// container returns the first container with a name, or an image name, in names.
func container(spec *corev1.PodSpec, names ...string) *corev1.Container {
	for i := range spec.Containers {
		c := &spec.Containers[i]
		image := c.Image[strings.LastIndex(c.Image, "/")+1:]
		image, _, _ = strings.Cut(image, "@")
		image, _, _ = strings.Cut(image, ":")
		for _, name := range names {
			if c.Name == name || image == name || image == "k8s-dns-"+name {
				return c
			}
		}
	}
	return nil
}

// Args returns the arguments of a container with its variables expanded.
func Args(c *corev1.Container) []string {
	if c == nil {
		return nil
	}
	var pairs []string
	for _, e := range c.Env {
		pairs = append(pairs, "$("+e.Name+")", e.Value)
	}
	expand := strings.NewReplacer(pairs...)
	var args []string
	for _, arg := range slices.Concat(c.Command, c.Args) {
		args = append(args, expand.Replace(arg))
	}
	return args
}

// Flag returns the value of the last flag of that name, with one dash or two.
func Flag(args []string, name string) string {
	value := ""
	for i, arg := range args {
		bare := strings.TrimLeft(arg, "-")
		if bare == arg {
			continue
		}
		if v, ok := strings.CutPrefix(bare, name+"="); ok {
			value = v
		} else if bare == name && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// Containers are the parts of a kube-dns pod; absent ones are nil.
type Containers struct{ KubeDNS, Nanny, Sidecar *corev1.Container }

// ContainersOf returns the parts of a pod.
func ContainersOf(spec *corev1.PodSpec) Containers {
	return Containers{
		KubeDNS: container(spec, "kubedns", "kube-dns"),
		Nanny:   container(spec, "dnsmasq", "dnsmasq-nanny"),
		Sidecar: container(spec, "sidecar"),
	}
}

// ZoneOf returns the zone that a pod serves, without leading and final dots.
func ZoneOf(spec *corev1.PodSpec) string {
	c := container(spec, "kubedns", "kube-dns")
	if c == nil {
		return ""
	}
	return bareZone(cmp.Or(Flag(Args(c), "domain"), "cluster.local"))
}

// bareZone returns a zone in a comparable form.
func bareZone(s string) string { return strings.ToLower(strings.Trim(s, ".")) }

// zone returns the zone to query: the user's, or that of the first pod.
func (f *Facts) zone() string {
	if f.Options.Zone != "" {
		return bareZone(f.Options.Zone)
	}
	for _, p := range f.ours() {
		return ZoneOf(&p.Object.Spec)
	}
	return "cluster.local"
}
