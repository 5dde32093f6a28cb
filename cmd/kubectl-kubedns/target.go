package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/facts"
)

// A dnsPod is a pod of kube-dns.
type dnsPod struct {
	cluster.Pod

	ports facts.Ports
}

// errNoServer means that no pod runs kube-dns.
var errNoServer = errors.New("runs kube-dns")

// dnsPods returns the pods of kube-dns, at least one.
func dnsPods(ctx context.Context, client *cluster.Client) ([]dnsPod, error) {
	pods, err := client.DNSPods(ctx)
	if err != nil {
		return nil, err
	}
	var list []dnsPod
	for i := range pods {
		if pod := &pods[i]; check.ServerOf(&pod.Spec) == check.KubeDNS {
			list = append(list, dnsPod{cluster.Pod{Namespace: pod.Namespace, Name: pod.Name}, facts.PortsOf(&pod.Spec)})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no pod in namespace %s with label %s %w", client.Namespace, client.Selector,
			errNoServer)
	}
	return list, nil
}

// openTarget opens a port-forward to a DNS port and returns the local address. The target is a pod,
// or a ready pod of a Deployment or Service.
func openTarget(ctx context.Context, client *cluster.Client, target string) (string, error) {
	pod, err := podOf(ctx, client, target)
	if err != nil {
		return "", err
	}
	return client.Forward(ctx, cluster.Pod{Namespace: pod.Namespace, Name: pod.Name}, facts.PortsOf(&pod.Spec).DNS)
}

// podOf returns the pod of a target.
func podOf(ctx context.Context, client *cluster.Client, target string) (*corev1.Pod, error) {
	ns := client.Namespace
	kind, name, ok := strings.Cut(target, "/")
	if !ok {
		kind, name = "pod", target
	}
	var selector labels.Selector
	var resource string
	var err error
	switch kind {
	case "pod", "pods", "po":
		resource = "pods"
		var pod *corev1.Pod
		if pod, err = client.Pods(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			return pod, nil
		}
	case "deployment", "deployments", "deploy":
		resource = "deployments.apps"
		d, gerr := client.Deployments(ns).Get(ctx, name, metav1.GetOptions{})
		if err = gerr; err == nil {
			selector, err = metav1.LabelSelectorAsSelector(d.Spec.Selector)
		}
	case "service", "services", "svc":
		resource = "services"
		s, gerr := client.Services(ns).Get(ctx, name, metav1.GetOptions{})
		if err = gerr; err == nil {
			selector = labels.SelectorFromSet(s.Spec.Selector)
		}
	default:
		return nil, fmt.Errorf("%q is not a kind: write pod/NAME, deployment/NAME, service/NAME or an address", kind)
	}
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("not found in namespace %s of %s", ns, client.Host())
	}
	if err != nil {
		return nil, client.Explain(ctx, "get", resource, ns, err)
	}
	return readyPod(ctx, client, selector)
}

// readyPod returns the first ready pod of a selector.
func readyPod(ctx context.Context, client *cluster.Client, selector labels.Selector) (*corev1.Pod, error) {
	list, err := client.Pods(client.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, client.Explain(ctx, "list", "pods", client.Namespace, err)
	}
	for i := range list.Items {
		if cluster.IsReady(&list.Items[i]) {
			return &list.Items[i], nil
		}
	}
	return nil, fmt.Errorf("none of its %d pods is ready", len(list.Items))
}
