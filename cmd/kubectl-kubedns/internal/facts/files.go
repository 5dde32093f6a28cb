package facts

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/manifests"
)

// FromFiles reads the facts from manifests, see manifests.Read.
func FromFiles(paths []string, stdin io.Reader, namespace string, opts check.Options) (*check.Facts, error) {
	f := &check.Facts{Namespace: namespace, Options: opts, Unread: map[string]string{}}
	var err error
	f.Files, err = manifests.Read(paths, stdin, func(kind string, object []byte) error {
		return addObject(f, kind, object)
	})
	if err != nil {
		return nil, err
	}
	if f.Objects.Service == nil {
		f.Unread["services"] = "the files have no Service kube-dns"
	}
	if len(f.Pods) == 0 && f.Objects.Config == nil && f.Objects.Service == nil {
		return nil, fmt.Errorf("-f %s: there is no Deployment, Service or ConfigMap of kube-dns",
			strings.Join(paths, " "))
	}
	return f, nil
}

// addObject adds an object. It ignores other kinds and names.
func addObject(f *check.Facts, kind string, object []byte) error {
	switch kind {
	case "Deployment":
		return addDeployment(f, object)
	case "Service":
		return setNamed(&f.Objects.Service, object)
	case "ConfigMap":
		return setNamed(&f.Objects.Config, object)
	case "PodDisruptionBudget":
		var p policyv1.PodDisruptionBudget
		err := json.Unmarshal(object, &p)
		f.Objects.Budgets = append(f.Objects.Budgets, p)
		return err
	}
	return nil
}

// setNamed sets into to an object named kube-dns.
func setNamed[T any, P interface {
	*T
	metav1.Object
}](into *P, object []byte) error {
	p := P(new(T))
	if err := json.Unmarshal(object, p); err != nil || p.GetName() != serviceName {
		return err
	}
	*into = p
	return nil
}

// addDeployment adds a Deployment of DNS pods, and a pod of its template.
func addDeployment(f *check.Facts, object []byte) error {
	var d appsv1.Deployment
	if err := json.Unmarshal(object, &d); err != nil {
		return err
	}
	f.Objects.Autoscalers = append(f.Objects.Autoscalers, check.AutoscalersOf(&d)...)
	template := &d.Spec.Template
	if check.ServerOf(&template.Spec) == check.Other {
		return nil
	}
	f.Objects.Deployments = append(f.Objects.Deployments, d)
	f.Pods = append(f.Pods, check.Pod{
		Name: d.Name, Object: &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec},
	})
	return nil
}
