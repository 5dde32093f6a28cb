package migrate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
	"github.com/kube-dns/kube-dns/manifests"
)

// Objects are the objects of one server.
type Objects struct {
	Account    *corev1.ServiceAccount
	Role       *rbacv1.ClusterRole
	Binding    *rbacv1.ClusterRoleBinding
	ConfigMap  *corev1.ConfigMap
	Deployment *appsv1.Deployment
	Budget     *policyv1.PodDisruptionBudget // nil: none
	Service    *corev1.Service
}

func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// cleanMeta returns the metadata that manifests have.
func cleanMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	annotations := maps.Clone(m.Annotations)
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	return metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, Labels: maps.Clone(m.Labels),
		Annotations: annotations}
}

func merged(a, b map[string]string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}

// kubeDNSObjects returns the manifests of this repository, changed by a plan.
func kubeDNSObjects(p Plan, result translate.KubeDNS, opts Options) (Objects, error) {
	o := Objects{}
	for path, object := range map[string]any{
		"base/serviceaccount.yaml": &o.Account, "base/configmap.yaml": &o.ConfigMap,
		"base/deployment.yaml": &o.Deployment, "components/modern/poddisruptionbudget.yaml": &o.Budget,
	} {
		if err := decodeManifest(path, 0, object); err != nil {
			return Objects{}, err
		}
	}
	if err := decodeManifest("base/rbac.yaml", 0, &o.Role); err != nil {
		return Objects{}, err
	}
	if err := decodeManifest("base/rbac.yaml", 1, &o.Binding); err != nil {
		return Objects{}, err
	}
	if opts.Old {
		o.Budget = nil
	} else if err := modern(o.Deployment); err != nil {
		return Objects{}, err
	}
	o.ConfigMap.Data = result.Config
	namespace := p.From.Deployment.Namespace
	for _, m := range []*metav1.ObjectMeta{
		&o.Account.ObjectMeta, &o.ConfigMap.ObjectMeta, &o.Deployment.ObjectMeta, &o.Role.ObjectMeta,
		&o.Binding.ObjectMeta,
	} {
		delete(m.Labels, "addonmanager.kubernetes.io/mode")
		m.Namespace = namespace
	}
	o.Role.Namespace, o.Binding.Namespace = "", ""
	o.Binding.Subjects[0].Namespace = namespace
	if o.Budget != nil {
		o.Budget.Namespace = namespace
		delete(o.Budget.Labels, "addonmanager.kubernetes.io/mode")
	}
	fillKubeDNS(o.Deployment, p, result, opts)
	return o, nil
}

// decodeManifest reads one document of an embedded file.
func decodeManifest(path string, document int, into any) error {
	text, err := fs.ReadFile(manifests.Files(), path)
	if err != nil {
		return err
	}
	documents := bytes.Split(text, []byte("\n---\n"))
	if err := yaml.Unmarshal(documents[document], into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// modern adds the component of that name to a Deployment.
func modern(d *appsv1.Deployment) error {
	text, err := fs.ReadFile(manifests.Files(), "components/modern/deployment.yaml")
	if err != nil {
		return err
	}
	var patch, original map[string]any
	if err := yaml.Unmarshal(text, &patch); err != nil {
		return err
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(encoded, &original); err != nil {
		return err
	}
	result, err := json.Marshal(overlay(original, patch))
	if err != nil {
		return err
	}
	*d = appsv1.Deployment{}
	return json.Unmarshal(result, d)
}

// fillKubeDNS sets zone, images, arguments and the settings of the current pods.
func fillKubeDNS(d *appsv1.Deployment, p Plan, result translate.KubeDNS, opts Options) {
	d.Annotations = merged(d.Annotations, map[string]string{CreatedAnnotation: "kubectl-kubedns"})
	d.Spec.Replicas = &p.Replicas
	pod := &d.Spec.Template.Spec
	copyPodSettings(pod, p.From.Deployment.Spec.Template.Spec)
	for i := range pod.Containers {
		c := &pod.Containers[i]
		c.Image = cmp.Or(opts.Registry, "REGISTRY") + "/" + c.Image + ":" + cmp.Or(opts.Tag, "TAG")
		for j := range c.Env {
			if c.Env[j].Name == "CLUSTER_DOMAIN" {
				c.Env[j].Value = result.Zone
			}
		}
		switch c.Name {
		case "kubedns":
			c.Args = append(c.Args, result.Flags...)
			c.Resources = resourcesOf(p.From.Deployment, c.Resources)
		case "dnsmasq":
			c.Args = dnsmasqArgs(c.Args, result)
		}
	}
	if result.Lameduck > 0 {
		seconds := int64((result.Lameduck + 5*time.Second).Seconds())
		pod.TerminationGracePeriodSeconds = &seconds
	}
}

// dnsmasqArgs replaces the options of the manifest with translated options.
func dnsmasqArgs(args []string, result translate.KubeDNS) []string {
	split := slices.Index(args, "--")
	out := slices.Clone(args[:split])
	if result.Lameduck > 0 {
		out = append(out, "-lameduck="+result.Lameduck.String())
	}
	out = append(append(out, "--", "-k"), result.Dnsmasq...)
	for _, arg := range args[split:] {
		if strings.HasPrefix(arg, "--server=") {
			out = append(out, arg)
		}
	}
	return out
}

// copyPodSettings copies scheduling and priority.
func copyPodSettings(to *corev1.PodSpec, from corev1.PodSpec) {
	for _, toleration := range from.Tolerations {
		matches := func(t corev1.Toleration) bool { return t.MatchToleration(&toleration) }
		if !slices.ContainsFunc(to.Tolerations, matches) {
			to.Tolerations = append(to.Tolerations, toleration)
		}
	}
	if len(from.NodeSelector) > 0 {
		to.NodeSelector = from.NodeSelector
	}
	if from.PriorityClassName != "" {
		to.PriorityClassName = from.PriorityClassName
	}
	to.ImagePullSecrets = from.ImagePullSecrets
	if from.Affinity != nil && from.Affinity.NodeAffinity != nil {
		if to.Affinity == nil {
			to.Affinity = &corev1.Affinity{}
		}
		to.Affinity.NodeAffinity = from.Affinity.NodeAffinity
	}
}

// resourcesOf returns the resources of the container that answers queries, or otherwise.
func resourcesOf(d appsv1.Deployment, otherwise corev1.ResourceRequirements) corev1.ResourceRequirements {
	for _, c := range d.Spec.Template.Spec.Containers {
		if kindOf(corev1.PodSpec{Containers: []corev1.Container{c}}) != "" &&
			(len(c.Resources.Limits) > 0 || len(c.Resources.Requests) > 0) {
			return c.Resources
		}
	}
	return otherwise
}

// helmValues returns the values of the chart kube-dns for a plan.
func helmValues(p Plan, result translate.KubeDNS, opts Options) map[string]any {
	pod := p.Objects.Deployment.Spec.Template.Spec
	config := map[string]any{}
	for key, text := range result.Config {
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			config[key] = value
		}
	}
	values := map[string]any{
		"image":         map[string]any{"registry": cmp.Or(opts.Registry, "REGISTRY"), "tag": cmp.Or(opts.Tag, "TAG")},
		"clusterIP":     p.Service.Spec.ClusterIP,
		"clusterDomain": result.Zone,
		"replicas":      p.Replicas,
		"besideOthers":  true,
		"config":        config,
		"dnsmasq":       result.Dnsmasq,
		"tolerations":   pod.Tolerations,
		"nodeSelector":  pod.NodeSelector,
		"resources":     map[string]any{"kubedns": resourcesOf(*p.Objects.Deployment, corev1.ResourceRequirements{})},
	}
	if len(result.Flags) > 0 {
		values["extraArgs"] = map[string]any{"kubedns": result.Flags}
	}
	if pod.PriorityClassName != "" {
		values["priorityClassName"] = pod.PriorityClassName
	}
	if result.Lameduck > 0 {
		values["lameduck"] = result.Lameduck.String()
		values["terminationGracePeriodSeconds"] = *pod.TerminationGracePeriodSeconds
	}
	if p.Service.Spec.IPFamilyPolicy != nil && *p.Service.Spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
		values["dualStack"] = true
	}
	return values
}
