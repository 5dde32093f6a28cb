package migrate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// replaceImages plans the change of a kube-dns of other images, such as upstream's, in a
// cluster without CoreDNS: its arguments, its ConfigMap and all else stay. ok is false if
// the cluster is another one, or has these images already.
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
		image := orElse(opts.Registry, "REGISTRY") + "/" + name + ":" + orElse(opts.Tag, "TAG")
		if image != c.Image {
			p.Findings = append(p.Findings, translate.Finding{
				Level: translate.Changed, Place: "container " + c.Name, From: c.Image, To: image,
			})
			p.Images[c.Name] = image
		}
		c.Image = image
	}
	if len(p.Images) == 0 {
		return Plan{}, false, nil
	}
	if p.Service, err = inv.Service(server); err != nil {
		return Plan{}, false, err
	}
	_, p.Zone, _, err = translate.ToCoreDNS(inv.running(server))
	p.Objects.Deployment = d
	return p, true, err
}

// ourImage returns the name of the image that does what a container does, or "".
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
