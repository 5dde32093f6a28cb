package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
)

// mostKubelets limits the kubelets whose configuration is read.
const mostKubelets = 50

// A kubeletConfig is the part of a KubeletConfiguration that affects pods.
type kubeletConfig struct {
	ClusterDNS    []string `json:"clusterDNS"`
	ClusterDomain string   `json:"clusterDomain"`
}

// kubelets reads kubeadm's configuration for all kubelets, and that of each kubelet if the user has
// permission.
func (g *gatherer) kubelets(ctx context.Context) {
	shared, sharedErr := g.kubeadmConfig(ctx)
	own, ownErr := g.nodeConfigs(ctx)
	if all := slices.Concat(own, shared); len(all) > 0 {
		g.set(ctx, "", "", "", nil, func(f *check.Facts) { f.Kubelets = all })
		return
	}
	g.unread("kubelet", fmt.Sprintf("%v; %v", sharedErr, ownErr))
}

func (g *gatherer) kubeadmConfig(ctx context.Context) ([]check.Kubelet, error) {
	m, err := g.client.ConfigMaps(cluster.DefaultNamespace).Get(ctx, "kubelet-config", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, errors.New("there is no ConfigMap kubelet-config, which kubeadm creates")
	}
	if err != nil {
		return nil, g.client.Explain(ctx, "get", "configmaps", cluster.DefaultNamespace, err)
	}
	var cfg kubeletConfig
	if err := yaml.Unmarshal([]byte(m.Data["kubelet"]), &cfg); err != nil || len(cfg.ClusterDNS) == 0 {
		return nil, errors.New("the ConfigMap kubelet-config has no clusterDNS")
	}
	return []check.Kubelet{{Of: "ConfigMap kubelet-config", Addresses: cfg.ClusterDNS, Domain: cfg.ClusterDomain}}, nil
}

// nodeConfigs reads the configuration of kubelets through the API server. It skips those that do
// not reply.
func (g *gatherer) nodeConfigs(ctx context.Context) ([]check.Kubelet, error) {
	right := cluster.Right{Verb: "get", Resource: "nodes/proxy"}
	can, err := g.client.Can(ctx, right)
	if err != nil {
		return nil, err
	}
	if !can {
		return nil, errors.New("you may not get nodes/proxy, which reads it from the kubelets")
	}
	nodes, err := g.client.Nodes().List(ctx, metav1.ListOptions{Limit: mostKubelets})
	if err != nil {
		return nil, g.client.Explain(ctx, "list", "nodes", "", err)
	}
	configs := make([]check.Kubelet, len(nodes.Items))
	var wait sync.WaitGroup
	for i := range nodes.Items {
		wait.Go(func() { configs[i] = g.nodeConfig(ctx, nodes.Items[i].Name) })
	}
	wait.Wait()
	var found []check.Kubelet
	for _, c := range configs {
		if c.Of != "" {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no kubelet replies to /configz")
	}
	return found, nil
}

// nodeConfig returns the configuration of one kubelet, or the zero value if it does not reply.
func (g *gatherer) nodeConfig(ctx context.Context, node string) check.Kubelet {
	body, err := g.client.RESTClient().Get().
		Resource("nodes").Name(node).SubResource("proxy").Suffix("configz").DoRaw(ctx)
	var page struct {
		Config *kubeletConfig `json:"kubeletconfig"`
	}
	if err != nil || json.Unmarshal(body, &page) != nil || page.Config == nil {
		return check.Kubelet{}
	}
	return check.Kubelet{Of: "node " + node, Addresses: page.Config.ClusterDNS, Domain: page.Config.ClusterDomain}
}
