package facts

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/apitest"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
)

// The configuration of each kubelet is read if the user has permission, and that of kubeadm in any
// case.
func TestKubelets(t *testing.T) {
	const reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	review := func(allowed bool) authorizationv1.SelfSubjectAccessReview {
		status := authorizationv1.SubjectAccessReviewStatus{Allowed: allowed}
		return authorizationv1.SelfSubjectAccessReview{Status: status}
	}
	kubeadm := corev1.ConfigMap{Data: map[string]string{"kubelet": "clusterDNS: [10.96.0.10]\nclusterDomain: " +
		"cluster.local\n"}}
	nodes := corev1.NodeList{Items: []corev1.Node{
		{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}, {ObjectMeta: metav1.ObjectMeta{Name: "away"}},
	}}
	configz := map[string]any{"kubeletconfig": map[string]any{"clusterDNS": []string{"10.96.0.11"},
		"clusterDomain": "other.local"}}
	for _, tt := range []struct {
		name    string
		objects map[string]any
		want    string
		unread  string
	}{
		{
			"both", map[string]any{
				reviews: review(true), "/api/v1/nodes": nodes, "/api/v1/nodes/node-1/proxy/configz": configz,
				"/api/v1/namespaces/kube-system/configmaps/kubelet-config": kubeadm,
			},
			"node node-1 10.96.0.11 other.local, ConfigMap kubelet-config 10.96.0.10 cluster.local", "",
		},
		{
			"no right", map[string]any{
				reviews: review(false), "/api/v1/namespaces/kube-system/configmaps/kubelet-config": kubeadm,
			},
			"ConfigMap kubelet-config 10.96.0.10 cluster.local", "",
		},
		{
			"nothing", map[string]any{reviews: review(false)}, "",
			"there is no ConfigMap kubelet-config, which kubeadm creates; you may not get nodes/proxy, which reads it from " +
				"the kubelets",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &gatherer{client: connect(t, apitest.New(t, tt.objects, nil).URL),
				facts: &check.Facts{Unread: map[string]string{}}}
			defer g.client.Close()
			g.kubelets(t.Context())
			var got []string
			for _, k := range g.facts.Kubelets {
				got = append(got, k.Of+" "+strings.Join(k.Addresses, " ")+" "+k.Domain)
			}
			if text := strings.Join(got, ", "); text != tt.want || g.facts.Unread["kubelet"] != tt.unread {
				t.Errorf("got %q, unread %q\nwant %q, unread %q", text, g.facts.Unread["kubelet"], tt.want, tt.unread)
			}
		})
	}
}

func connect(t *testing.T, url string) *cluster.Client {
	t.Helper()
	var f cluster.Flags
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Bind(fs)
	if err := fs.Parse([]string{"--server", url}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	c, err := f.Connect(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
