package migrate

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// Options are inputs besides the inventory.
type Options struct {
	// To is CoreDNS or KubeDNS.
	To string
	// Registry and Tag are those of the images of kube-dns. Without a registry, an existing
	// Deployment determines them.
	Registry, Tag string
	// Image is the image of CoreDNS. Empty: that of its Deployment, or DefaultCoreDNSImage.
	Image string
	// Accept are the codes of refused settings to drop.
	Accept []string
	// Old: the API server is older than 1.22, and pods run as upstream's do.
	Old bool
}

// CreatedAnnotation marks a Deployment that a plan made. Another Deployment of that name is only
// scaled.
const CreatedAnnotation = "dns.kube-dns.io/created-by"

// A Plan is a move from one server to the other.
type Plan struct {
	To   string
	From Server
	// Target is the existing Deployment of the other server, or nil.
	Target *Server
	Zone   string
	// Replicas is the number of pods of the other server.
	Replicas int32
	Findings []translate.Finding
	// Service is the current Service.
	Service corev1.Service
	// Objects are those of the other server, and the final Service.
	Objects Objects
	// Values are for the Helm chart kube-dns. Nil for CoreDNS.
	Values map[string]any
	// Images are the new images by container, of a kube-dns that is otherwise unchanged. Nil for a
	// move between servers.
	Images map[string]string
	// Accepted are the codes of refused settings to drop.
	Accepted []string
	// NoRegistry: the images of kube-dns have no registry yet.
	NoRegistry bool
	// Notes are tasks and remarks for the operator.
	Notes []string
}

// Unaccepted are the refused settings that the options do not accept.
func (p Plan) Unaccepted(accept []string) []translate.Finding {
	return translate.Unaccepted(p.Findings, accept)
}

// Make plans a move. Refused settings are findings, not an error.
func Make(inv Inventory, opts Options) (Plan, error) {
	for _, code := range opts.Accept {
		if !translate.IsCode(code) {
			return Plan{}, fmt.Errorf("--accept %s: there is no such code", code)
		}
	}
	if p, ok, err := replaceImages(inv, opts); ok || err != nil {
		return p, err
	}
	from, err := inv.source(opts.To)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{To: opts.To, From: from, Replicas: max(from.Replicas(), 1), Accepted: opts.Accept}
	if target, ok := inv.Server(opts.To); ok {
		p.Target = &target
		p.Replicas = max(p.Replicas, target.Replicas())
		opts = opts.withImages(target)
	}
	p.NoRegistry = opts.To == KubeDNS && opts.Registry == "" && !p.Reuses()
	if p.Service, err = inv.Service(from); err != nil {
		return Plan{}, err
	}
	if opts.To == KubeDNS {
		err = p.toKubeDNS(inv, opts)
	} else {
		err = p.toCoreDNS(inv, opts)
	}
	if err != nil {
		return Plan{}, err
	}
	p.Objects.Service = p.finalService()
	p.Notes = p.notes(inv)
	return p, nil
}

// withImages takes images missing in the options from a Deployment.
func (o Options) withImages(s Server) Options {
	for _, c := range s.Deployment.Spec.Template.Spec.Containers {
		if kindOf(corev1.PodSpec{Containers: []corev1.Container{c}}) == "" {
			continue
		}
		if o.Image == "" && s.Kind == CoreDNS {
			o.Image = c.Image
		}
		name, tag, hasTag := strings.Cut(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":")
		if registry, ok := strings.CutSuffix(strings.TrimSuffix(c.Image, ":"+tag), "/"+name); ok && hasTag &&
			o.Registry == "" &&
			s.Kind == KubeDNS {
			o.Registry, o.Tag = registry, tag
		}
	}
	return o
}

// Reuses reports whether the other server's Deployment exists and was not made by a plan: then it
// is only scaled, with its own configuration.
func (p Plan) Reuses() bool {
	return p.Target != nil && p.Target.Deployment.Annotations[CreatedAnnotation] == ""
}

func (p *Plan) toKubeDNS(inv Inventory, opts Options) error {
	file, files, err := inv.corefileOf(p.From)
	if err != nil {
		return err
	}
	result, found := translate.ToKubeDNS(file, files)
	p.Zone, p.Findings = result.Zone, found
	if p.Objects, err = kubeDNSObjects(*p, result, opts); err != nil {
		return err
	}
	p.Values = helmValues(*p, result, opts)
	return nil
}

func (p *Plan) toCoreDNS(inv Inventory, opts Options) error {
	text, zone, found, err := translate.ToCoreDNS(inv.running(p.From))
	if err != nil {
		return err
	}
	p.Zone, p.Findings = zone, found
	p.Objects = coreDNSObjects(*p, text, opts)
	return nil
}

// finalService is the Service with the ports and the selector of the other server.
func (p Plan) finalService() *corev1.Service {
	s := &corev1.Service{TypeMeta: typeMeta("v1", "Service"), ObjectMeta: p.Service.ObjectMeta}
	s.ObjectMeta = cleanMeta(s.ObjectMeta)
	from := p.Service.Spec
	s.Spec = corev1.ServiceSpec{
		ClusterIP: from.ClusterIP, ClusterIPs: from.ClusterIPs, IPFamilies: from.IPFamilies,
		IPFamilyPolicy: from.IPFamilyPolicy, Type: from.Type, TrafficDistribution: from.TrafficDistribution,
		InternalTrafficPolicy: from.InternalTrafficPolicy, SessionAffinity: from.SessionAffinity,
		Selector: map[string]string{"k8s-app": "kube-dns"},
		Ports: []corev1.ServicePort{
			{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(53)},
			{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(53)},
		},
	}
	keepPortNames(s.Spec.Ports, from.Ports)
	if p.To == CoreDNS {
		s.Spec.Ports = append(s.Spec.Ports,
			corev1.ServicePort{Name: "metrics", Port: 9153, Protocol: corev1.ProtocolTCP,
				TargetPort: intstr.FromInt32(9153)})
	}
	for name := range s.Annotations {
		if strings.HasPrefix(name, "prometheus.io/") {
			delete(s.Annotations, name)
		}
	}
	if p.To == CoreDNS {
		s.Annotations = merged(s.Annotations, map[string]string{"prometheus.io/port": "9153",
			"prometheus.io/scrape": "true"})
	}
	return s
}

// keepPortNames keeps the names of unchanged ports: kube-proxy refuses queries to a port with a new
// name until the endpoints have it too.
func keepPortNames(ports, before []corev1.ServicePort) {
	for i := range ports {
		for _, old := range before {
			if old.Port == ports[i].Port && old.Protocol == ports[i].Protocol {
				ports[i].Name = old.Name
			}
		}
	}
}

// notes returns the tasks that a plan does not cover.
func (p Plan) notes(inv Inventory) []string {
	var notes []string
	d := p.From.Deployment
	if inv.configMap("kubeadm-config") != nil && p.To == KubeDNS {
		notes = append(notes, "kubeadm installs CoreDNS again at an upgrade, next to kube-dns, and both answer. "+
			"Run each later one with --skip-phases=addon/coredns: kubeadm upgrade apply (1.32 and later) and kubeadm "+
			"upgrade node. "+
			"kubeadm 1.31 and older skip CoreDNS when the ConfigMap coredns does not exist.")
	}
	const addonMode = "addonmanager.kubernetes.io/mode"
	for owner, is := range map[string]bool{
		"the add-on manager (label " + addonMode + ")": d.Labels[addonMode] == "Reconcile",
		"Helm": d.Labels["app.kubernetes.io/managed-by"] == "Helm",
		"Argo CD": d.Labels["argocd.argoproj.io/instance"] != "" ||
			d.Annotations["argocd.argoproj.io/tracking-id"] != "",
		"Flux": d.Labels["kustomize.toolkit.fluxcd.io/name"] != "" || d.Labels["helm.toolkit.fluxcd.io/name"] != "",
	} {
		if is {
			notes = append(notes, owner+" owns deployment/"+d.Name+" and would undo the move: stop it first.")
		}
	}
	slices.Sort(notes)
	for _, other := range inv.Deployments {
		if scales(other, d.Name) {
			notes = append(notes, fmt.Sprintf("deployment/%s scales deployment/%s and would start its pods again: "+
				"point its --target at deployment/%s before the move.", other.Name, d.Name, p.To))
		}
	}
	if requiresOtherNodes(d) {
		notes = append(notes, fmt.Sprintf("deployment/%s does not share a node with pods of label k8s-app=kube-dns: "+
			"new pods stay Pending until %d nodes without its pods are free.", d.Name, p.Replicas))
	}
	if d.Spec.Template.Spec.HostNetwork {
		notes = append(notes, "deployment/"+d.Name+" uses the network of its nodes. The new pods do not.")
	}
	if slices.ContainsFunc(p.Service.Spec.Ports, func(s corev1.ServicePort) bool { return s.Port == 9153 }) &&
		p.To == KubeDNS {
		notes = append(notes, "The Service loses its port 9153. Scrape the pods: 10054 (sidecar), 10055 (kube-dns), "+
			"10056 (nanny).")
	}
	return notes
}

// scales reports whether a Deployment is an autoscaler with name as its target.
func scales(d appsv1.Deployment, name string) bool {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, arg := range slices.Concat(c.Command, c.Args) {
			if strings.EqualFold(strings.TrimPrefix(arg, "--target="), "deployment/"+name) {
				return true
			}
		}
	}
	return false
}

// requiresOtherNodes reports a required anti-affinity that blocks new pods.
func requiresOtherNodes(d appsv1.Deployment) bool {
	a := d.Spec.Template.Spec.Affinity
	return a != nil && a.PodAntiAffinity != nil &&
		len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 &&
		d.Spec.Template.Labels["k8s-app"] == "kube-dns"
}

// WayBack returns the commands that undo a plan.
func (p Plan) WayBack() []string {
	if p.Images != nil {
		return []string{imagesBack(p.From.Deployment)}
	}
	return []string{fmt.Sprintf("kubectl kubedns migrate --to %s -n %s --apply", p.From.Kind,
		p.From.Deployment.Namespace)}
}
