package migrate

import (
	"cmp"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// ReplacingAnnotation marks a Deployment whose images a move replaces.
const ReplacingAnnotation = "dns.kube-dns.io/replacing"

// replaceImages plans new images for a kube-dns with other images, such as upstream's, in a cluster
// without CoreDNS. Its arguments, its ConfigMap and everything else remain. ok is false for other
// clusters, or if it has these images already.
func replaceImages(inv Inventory, opts Options) (p Plan, ok bool, err error) {
	server, found := inv.Server(KubeDNS)
	if _, other := inv.Server(CoreDNS); opts.To != KubeDNS || other || !found {
		return Plan{}, false, nil
	}
	p = Plan{
		To:         KubeDNS,
		From:       server,
		Replicas:   server.Replicas(),
		Images:     map[string]string{},
		NoRegistry: opts.Registry == "",
	}
	d := server.Deployment.DeepCopy()
	d.TypeMeta, d.ObjectMeta = typeMeta("apps/v1", "Deployment"), cleanMeta(d.ObjectMeta)
	for i := range d.Spec.Template.Spec.Containers {
		c := &d.Spec.Template.Spec.Containers[i]
		name := ourImage(*c)
		if name == "" {
			continue
		}
		image := cmp.Or(opts.Registry, "REGISTRY") + "/" + name + ":" + cmp.Or(opts.Tag, "TAG")
		if image != c.Image {
			p.Findings = append(p.Findings, translate.Finding{
				Level: translate.Changed, Place: "container " + c.Name, From: c.Image, To: image,
			})
			p.Images[c.Name] = image
		}
		c.Image = image
	}
	switch replacing := d.Annotations[ReplacingAnnotation] != ""; {
	case replacing && len(p.Images) > 0:
		return Plan{}, false, fmt.Errorf("a move of deployment/%s to the images that it has now is in progress: "+
			"continue with the same --registry and --tag", d.Name)
	case !replacing && len(p.Images) == 0:
		return Plan{}, false, nil
	}
	if p.Service, err = inv.Service(server); err != nil {
		return Plan{}, false, err
	}
	_, p.Zone, _, err = translate.ToCoreDNS(inv.running(server))
	p.Objects.Deployment = d
	return p, true, err
}

// ourImage returns the name of our image for a container, or "".
func ourImage(c corev1.Container) string {
	switch name := imageName(c.Image); {
	case strings.Contains(name, "dnsmasq"):
		return "k8s-dns-dnsmasq-nanny"
	case strings.Contains(name, "sidecar"):
		return "k8s-dns-sidecar"
	case kindOf(corev1.PodSpec{Containers: []corev1.Container{c}}) == KubeDNS:
		return "k8s-dns-kube-dns"
	}
	return ""
}

// imagesBack is the command that restores the current images of a Deployment.
func imagesBack(d appsv1.Deployment) string {
	registry, tag := "", ""
	for _, c := range d.Spec.Template.Spec.Containers {
		name := ourImage(c)
		if name == "" {
			continue
		}
		r, t, _ := strings.Cut(c.Image, "/"+name+":")
		if c.Image != r+"/"+name+":"+t || strings.Contains(t, "@") || registry != "" && (r != registry || t != tag) {
			return fmt.Sprintf("kubectl -n %s rollout undo deployment/%s", d.Namespace, d.Name)
		}
		registry, tag = r, t
	}
	return fmt.Sprintf("kubectl kubedns migrate --to kube-dns -n %s --registry %s --tag %s --apply", d.Namespace,
		registry, tag)
}
