package check

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/pkg/config"
)

const needsPods = "it needs running kube-dns pods"

// live returns the kube-dns pods that can be queried, or the reason why there are none.
func (f *Facts) live() ([]Pod, string) {
	if len(f.Files) > 0 {
		return nil, "it needs a cluster"
	}
	if why := f.unread("pods"); why != "" {
		return nil, why
	}
	pods := f.ours()
	if len(pods) == 0 {
		return nil, needsPods
	}
	return pods, ""
}

func checkHealth(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: fmt.Sprintf("%d of %d pods are ready, all their parts work", len(pods), len(pods))}
	for i := range pods {
		p := &pods[i]
		logs := fmt.Sprintf("kubectl -n %s logs %s --all-containers --tail=50", f.Namespace, p.Name)
		for _, c := range p.Object.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil {
				o.add(Error, p.title()+" container "+c.Name, logs, "it does not run: %s %s", w.Reason, w.Message)
			}
		}
		for _, name := range []string{Readiness, Healthz, Status, NannyStatus, ProbeStatus} {
			if page := p.Pages[name]; page.Err != "" && !page.Missing {
				o.add(Error, p.title(), logs, "%s: %s", name, page.Err)
			}
		}
		p.partFindings(&o, logs)
	}
	return o
}

// partFindings adds the findings of the pod itself.
func (p *Pod) partFindings(o *outcome, fix string) {
	levels := map[string]Level{"failed": Error, "warning": Warning}
	for _, name := range []string{Status, NannyStatus, ProbeStatus} {
		page, _ := p.status(name)
		for _, part := range page.Parts {
			if level := levels[part.Level]; level != "" && !ownCheck(part.Name) {
				o.add(level, p.title(), fix, "%s: %s: %s", page.Command, part.Name, part.Text)
			}
		}
	}
}

// ownCheck reports whether a part of a status page has its own check.
func ownCheck(part string) bool {
	return part == "configuration" || part == "servers" || strings.HasPrefix(part, "watch of ")
}

func checkVersions(f *Facts) outcome {
	if why := f.unread("pods"); why != "" {
		return skip("%s", why)
	}
	pods := f.ours()
	if len(pods) == 0 {
		return skip(needsPods)
	}
	var o outcome
	versions := map[string][]string{} // version → containers
	for _, p := range pods {
		if len(f.Files) == 0 { // an overlay can set images later
			p.imageFindings(&o)
		}
		for _, name := range []string{Status, NannyStatus, ProbeStatus} {
			if page, ok := p.status(name); ok {
				versions[page.Version] = append(versions[page.Version], page.Command+" of "+p.Name)
			}
		}
	}
	names := slices.Sorted(maps.Keys(versions))
	o.fine = "images have a registry and a tag"
	if len(f.Files) > 0 {
		return skip("overlays set the images")
	}
	if len(names) == 1 {
		o.fine = "all containers have version " + names[0]
	}
	if len(names) > 1 {
		var parts []string
		for _, version := range names {
			parts = append(parts, fmt.Sprintf("%s (%s)", version, some(versions[version])))
		}
		o.add(Warning, "", fmt.Sprintf("kubectl -n %s rollout status deployment kube-dns", f.Namespace),
			"there is more than one version: %s", strings.Join(parts, ", "))
	}
	return o
}

// imageFindings adds findings for images whose meaning can change.
func (p *Pod) imageFindings(o *outcome) {
	for _, c := range p.Object.Spec.Containers {
		name := c.Image[strings.LastIndex(c.Image, "/")+1:]
		if !strings.Contains(c.Image, "/") {
			o.add(Warning, p.title(), "set the registry in the overlay", "image %q has no registry", c.Image)
		}
		if !strings.ContainsAny(name, ":@") {
			o.add(Warning, p.title(), "set a tag in the overlay",
				"image %q has no tag: a restart may take another version", c.Image)
		}
	}
}

// some returns the first of a list, and the number of the rest.
func some(list []string) string {
	if len(list) > 2 {
		return fmt.Sprintf("%s and %d more", list[0], len(list)-1)
	}
	return strings.Join(list, ", ")
}

func checkWatches(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: "all watches are open"}
	known := false
	for _, p := range pods {
		page, ok := p.status(Status)
		if !ok {
			continue
		}
		known = true
		for _, part := range page.Parts {
			if strings.HasPrefix(part.Name, "watch of ") && part.Level != "ok" {
				o.add(Error, p.title(), "kubectl kubedns check --only KD301; docs/runbooks/KubeDNSWatchLost.md",
					"%s: %s", part.Name, part.Text)
			}
		}
	}
	if !known {
		return skip("no pod has a status page: %s", cmp.Or(pods[0].Pages[Status].Err, "its version has none"))
	}
	return o
}

func checkConfig(f *Facts) outcome {
	if why := f.unread("configmaps"); why != "" {
		return skip("%s", why)
	}
	o := outcome{fine: "there is no ConfigMap kube-dns: the defaults are in use"}
	edit := fmt.Sprintf("kubectl -n %s edit configmap kube-dns; keys: docs/operations.md#configuration", f.Namespace)
	if f.Objects.Config != nil {
		o.fine = "the ConfigMap kube-dns is valid"
		if len(f.Files) == 0 {
			o.fine += ", and in use in all pods"
		}
		f.configFindings(&o, f.Objects.Config, edit)
	}
	for _, p := range f.ours() {
		for _, name := range []string{Status, NannyStatus} {
			page, _ := p.status(name)
			for _, part := range page.Parts {
				servers := name == NannyStatus && part.Name == "servers"
				if part.Level != "ok" && (part.Name == "configuration" || servers) {
					o.add(Error, p.title(), edit, "%s: %s: %s", page.Command, part.Name, part.Text)
				}
			}
		}
		if n, ok := Metric(p.Pages[NannyMetrics].Body, "kubedns_nanny_upstream_loop"); ok && n > 0 {
			o.add(Error, p.title(), "docs/runbooks/KubeDNSUpstreamLoop.md",
				"%.0f servers lead back to dnsmasq: they are left out", n)
		}
	}
	return o
}

// configFindings parses a ConfigMap like kube-dns.
func (f *Facts) configFindings(o *outcome, m *corev1.ConfigMap, edit string) {
	cfg, err := config.Parse(m.Data)
	for _, one := range keyErrors(err) {
		o.add(Error, "ConfigMap kube-dns", edit, "%s", one.Error())
	}
	for _, key := range cfg.Mistyped {
		o.add(Warning, "ConfigMap kube-dns", edit,
			"key %q is unknown: keys are federations, stubDomains and upstreamNameservers", key)
	}
	for _, domain := range cfg.Repeated {
		o.add(Warning, "ConfigMap kube-dns", edit, "stubDomains has %q more than once: only one of them counts", domain)
	}
}

// keyErrors splits an error of config.Parse.
func keyErrors(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

func checkAgreement(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	groups := map[string][]string{}
	for _, p := range pods {
		if p.Digest != "" {
			groups[p.Digest] = append(groups[p.Digest], p.Name)
		}
	}
	read := 0
	var parts []string
	for _, digest := range slices.Sorted(maps.Keys(groups)) {
		read += len(groups[digest])
		parts = append(parts, some(groups[digest]))
	}
	if read == 0 {
		return skip("no pod served /cache: %s", cmp.Or(f.unread("cache"), "its version has none"))
	}
	o := outcome{fine: fmt.Sprintf("%d pods have the same names", read)}
	if len(groups) > 1 {
		o.add(Error, "", "run the check again: a change may have been in progress; then kubectl kubedns diff POD POD",
			"pods have different names, in %d groups: %s", len(groups), strings.Join(parts, " | "))
	}
	return o
}
