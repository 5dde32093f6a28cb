package migrate

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// DefaultCoreDNSImage is the image of CoreDNS unless the options name another.
const DefaultCoreDNSImage = "registry.k8s.io/coredns/coredns:v1.12.1"

const coreDNSRole = "system:coredns"

// coreDNSObjects returns the objects of a CoreDNS as installers create them: the label
// k8s-app=kube-dns, ServiceAccount, role and ConfigMap coredns.
func coreDNSObjects(p Plan, corefile string, opts Options) Objects {
	meta := metav1.ObjectMeta{
		Name: CoreDNS, Namespace: p.From.Deployment.Namespace, Labels: map[string]string{"k8s-app": "kube-dns"},
	}
	o := Objects{
		Account: &corev1.ServiceAccount{TypeMeta: typeMeta("v1", "ServiceAccount"), ObjectMeta: meta},
		Role: &rbacv1.ClusterRole{
			TypeMeta:   typeMeta("rbac.authorization.k8s.io/v1", "ClusterRole"),
			ObjectMeta: metav1.ObjectMeta{Name: coreDNSRole},
			Rules: []rbacv1.PolicyRule{
				{
					APIGroups: []string{""},
					Resources: []string{"endpoints", "services", "pods", "namespaces"},
					Verbs:     []string{"list", "watch"},
				},
				{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"},
					Verbs: []string{"list", "watch"}},
			},
		},
		Binding: &rbacv1.ClusterRoleBinding{
			TypeMeta:   typeMeta("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
			ObjectMeta: metav1.ObjectMeta{Name: coreDNSRole},
			RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: coreDNSRole},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: CoreDNS, Namespace: meta.Namespace}},
		},
		ConfigMap: &corev1.ConfigMap{
			TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: meta, Data: map[string]string{"Corefile": corefile},
		},
	}
	meta.Annotations = map[string]string{CreatedAnnotation: "kubectl-kubedns"}
	o.Deployment = &appsv1.Deployment{
		TypeMeta: typeMeta("apps/v1", "Deployment"), ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &p.Replicas,
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{
				MaxUnavailable: new(intstr.FromInt32(1)),
			}, Type: appsv1.RollingUpdateDeploymentStrategyType},
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"k8s-app": "kube-dns"}},
				Spec:       coreDNSPod(p, opts),
			},
		},
	}
	return o
}

func coreDNSPod(p Plan, opts Options) corev1.PodSpec {
	pod := corev1.PodSpec{
		ServiceAccountName: CoreDNS,
		DNSPolicy:          corev1.DNSDefault,
		PriorityClassName:  "system-cluster-critical",
		Tolerations:        []corev1.Toleration{{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists}},
		NodeSelector:       map[string]string{"kubernetes.io/os": "linux"},
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{
					TopologyKey:   "kubernetes.io/hostname",
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
				},
			}},
		}},
		Volumes: []corev1.Volume{{Name: "config-volume", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: CoreDNS},
				Items:                []corev1.KeyToPath{{Key: "Corefile", Path: "Corefile"}},
			},
		}}},
		Containers: []corev1.Container{coreDNSContainer(p, opts)},
	}
	copyPodSettings(&pod, p.From.Deployment.Spec.Template.Spec)
	return pod
}

func coreDNSContainer(p Plan, opts Options) corev1.Container {
	probe := func(path string, port int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}},
		}
	}
	live, ready := probe("/health", 8080), probe("/ready", 8181)
	live.InitialDelaySeconds, live.TimeoutSeconds, live.FailureThreshold = 60, 5, 5
	ready.PeriodSeconds, ready.FailureThreshold = 5, 1 // out of the Service well before the lame duck ends
	return corev1.Container{
		Name: CoreDNS, Image: cmp.Or(opts.Image, DefaultCoreDNSImage), Args: []string{"-conf", "/etc/coredns/Corefile"},
		Resources: resourcesOf(p.From.Deployment, corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("70Mi"),
			},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("170Mi")},
		}),
		VolumeMounts: []corev1.VolumeMount{{Name: "config-volume", MountPath: "/etc/coredns", ReadOnly: true}},
		Ports: []corev1.ContainerPort{
			{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
			{Name: "dns-tcp", ContainerPort: 53, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: 9153, Protocol: corev1.ProtocolTCP},
		},
		LivenessProbe: live, ReadinessProbe: ready,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"},
				Drop: []corev1.Capability{"ALL"}},
		},
	}
}
