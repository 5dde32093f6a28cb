package migrate

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// corefileOf reads the Corefile of a CoreDNS with the files mounted in its pod. files are all of
// them, by their path in the container.
func (inv Inventory) corefileOf(s Server) (file corefile.File, files map[string]string, err error) {
	pod := s.Deployment.Spec.Template.Spec
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool {
		return strings.HasSuffix(imageName(c.Image), "coredns")
	})
	container := pod.Containers[i]
	if files, err = inv.mounted(s, container); err != nil {
		return corefile.File{}, nil, err
	}
	name := "/Corefile"
	args := slices.Concat(container.Command, container.Args)
	for i, arg := range args {
		if value, ok := strings.CutPrefix(strings.TrimPrefix(arg, "-"), "-conf="); ok {
			name = value
		}
		if (arg == "-conf" || arg == "--conf") && i+1 < len(args) {
			name = args[i+1]
		}
	}
	if !path.IsAbs(name) {
		name = path.Join("/", container.WorkingDir, name)
	}
	text, ok := files[name]
	if !ok {
		return corefile.File{}, nil, fmt.Errorf("deployment/%s reads %s, and no ConfigMap that it mounts has that "+
			"file: mounted are %s", s.Deployment.Name, name, orNone(slices.Sorted(maps.Keys(files))))
	}
	src := corefile.Source{Path: name, Text: text, Env: envOf(container), Files: without(files, name)}
	file, err = corefile.Read(src)
	if err != nil {
		return corefile.File{}, nil, fmt.Errorf("the Corefile of deployment/%s: %w", s.Deployment.Name, err)
	}
	return file, files, nil
}

// mounted returns the files of a container from ConfigMaps.
func (inv Inventory) mounted(s Server, container corev1.Container) (map[string]string, error) {
	files := map[string]string{}
	for _, mount := range container.VolumeMounts {
		for _, v := range s.Deployment.Spec.Template.Spec.Volumes {
			if v.Name != mount.Name {
				continue
			}
			for _, source := range configMapsOf(v) {
				if err := inv.addFiles(files, s, mount, source); err != nil {
					return nil, err
				}
			}
		}
	}
	return files, nil
}

// A mapSource is a ConfigMap in a volume.
type mapSource struct {
	name     string
	items    []corev1.KeyToPath
	optional bool
}

func configMapsOf(v corev1.Volume) []mapSource {
	if c := v.ConfigMap; c != nil {
		return []mapSource{{c.Name, c.Items, c.Optional != nil && *c.Optional}}
	}
	var sources []mapSource
	if v.Projected != nil {
		for _, p := range v.Projected.Sources {
			if c := p.ConfigMap; c != nil {
				sources = append(sources, mapSource{c.Name, c.Items, c.Optional != nil && *c.Optional})
			}
		}
	}
	return sources
}

// addFiles adds the keys of a ConfigMap under their paths.
func (inv Inventory) addFiles(files map[string]string, s Server, mount corev1.VolumeMount, source mapSource) error {
	cm := inv.configMap(source.name)
	if cm == nil {
		if source.optional {
			return nil
		}
		return fmt.Errorf("deployment/%s mounts the ConfigMap %s at %s, and namespace %s has none of that name",
			s.Deployment.Name, source.name, mount.MountPath, inv.Namespace)
	}
	items := source.items
	if len(items) == 0 {
		for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	for _, item := range items {
		text, ok := cm.Data[item.Key]
		if !ok {
			continue
		}
		switch mount.SubPath {
		case "":
			files[path.Join(mount.MountPath, item.Path)] = text
		case item.Path:
			files[mount.MountPath] = text
		}
	}
	return nil
}

// envOf returns the variables of a container with a plain value.
func envOf(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			env[e.Name] = expand(e.Value, env)
		}
	}
	return env
}

// variable is a reference in arguments, or the escape of one.
var variable = regexp.MustCompile(`\$\$|\$\([A-Za-z0-9_.-]+\)`)

// expand replaces $(NAME) like Kubernetes: unknown names remain.
func expand(text string, env map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$$" {
			return "$"
		}
		if value, ok := env[ref[2:len(ref)-1]]; ok {
			return value
		}
		return ref
	})
}

// running returns the configuration of a kube-dns.
func (inv Inventory) running(s Server) translate.Running {
	var r translate.Running
	for _, c := range s.Deployment.Spec.Template.Spec.Containers {
		env := envOf(c)
		var args []string
		for _, arg := range slices.Concat(c.Command, c.Args) {
			args = append(args, expand(arg, env))
		}
		if len(c.Command) > 0 {
			args = args[1:] // the program
		}
		switch name := imageName(c.Image); {
		case strings.Contains(name, "dnsmasq"):
			r.Nanny = args
			if i := slices.Index(args, "--"); i >= 0 {
				r.Nanny, r.Dnsmasq = args[:i], args[i+1:]
			}
		case strings.Contains(name, "sidecar"):
		case kindOf(corev1.PodSpec{Containers: []corev1.Container{c}}) == KubeDNS:
			r.KubeDNS = args
		}
	}
	if cm := inv.configMap(KubeDNS); cm != nil {
		r.ConfigMap = cm.Data
	}
	return r
}
