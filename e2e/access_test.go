package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kube-dns loses the role for EndpointSlices while it uses them: it keeps its endpoints, shows the
// reason for missing updates, and continues when the role is back.
func TestSlicesForbiddenLater(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	proxy := startFilterProxy(t, id)
	k, target := follow(t, proxy.identity())
	change(t, target, []map[string]any{
		service("later", "set", map[string]any{"clusterIP": "None"}),
		endpoints("later", "set", "10.244.76.1"),
		slice("v1", "later", "set", "10.244.76.2"),
	})
	q := question{name: "set.later.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 10.244.76.2")

	rig.cluster.kubeDNSIdentity(t, false, false)
	// An open watch remains allowed; a new one is forbidden.
	proxy.down(t)
	proxy.up(t)
	eventually(t, 60*time.Second, func() error {
		text, err := get(k.status+"/readiness", 200)
		for _, want := range []string{"ok (no changes of endpoints since", "forbidden", "endpointslices"} {
			if err == nil && !strings.Contains(text, want) {
				err = fmt.Errorf("/readiness: got %q, want in it %q", text, want)
			}
		}
		return err
	})
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 10.244.76.2")

	rig.cluster.kubeDNSIdentity(t, true, false)
	change(t, target, []map[string]any{slice("v1", "later", "set", "10.244.76.3")})
	eventually(t, 30*time.Second, func() error { return wantAnswer(k.dns, q, dns.RcodeSuccess, "A 10.244.76.3") })
}

// /readiness has the problem and its remedy.
func TestReadinessNamesTheReason(t *testing.T) {
	good := rig.cluster.kubeDNSIdentity(t, true, false)
	wrongToken, wrongCA := good, good
	wrongToken.token = "nonsense"
	other := startFilterProxy(t, good).identity() // its certificate has another issuer
	wrongCA.ca = other.ca
	for _, tt := range []struct {
		name string
		id   identity
		want []string
	}{
		{"token", wrongToken, []string{"unauthorized", "kubeconfig"}},
		{"certificate authority", wrongCA, []string{"certificate_authority", "kubeconfig"}},
		{"rights", rig.cluster.stranger(t, good), []string{"forbidden", "list", "services", "service account"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := startKubeDNS(t, tt.id.write(t), nil)
			eventually(t, time.Minute, func() error {
				text, err := get(k.status+"/readiness", 503)
				for _, want := range tt.want {
					if err == nil && !strings.Contains(text, want) {
						err = fmt.Errorf("/readiness: got %q, want in it %q", text, want)
					}
				}
				return err
			})
		})
	}
}

// stranger is a service account without any role.
func (c *controlPlane) stranger(t *testing.T, like identity) identity {
	t.Helper()
	like.token = c.token(t, "stranger")
	return like
}

// --config-map: only the named ConfigMap, even after a change.
func TestConfigMap(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	role, binding := kubeDNSRole("e2e:kube-dns-configmaps", "configmaps", "get", "list", "watch")
	rig.cluster.setRole(t, role, binding, true)
	client := id.client(t)
	rig.cluster.waitAccess(t, "configmaps", true, func(ctx context.Context, opts metav1.ListOptions) error {
		_, err := client.CoreV1().ConfigMaps("kube-system").List(ctx, opts)
		return err
	})
	one := startResolver(t, "www.outside.example. 60 IN A 203.0.113.1")
	two := startResolver(t, "www.outside.example. 60 IN A 203.0.113.2")
	setConfigMap(t, "kube-dns", upstream(one))
	k := startKubeDNS(t, id.write(t), nil, "--config-map=kube-dns")
	k.waitReady(t, 30*time.Second)
	q := question{name: "www.outside.example", qtype: dns.TypeA}
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 203.0.113.1")

	setConfigMap(t, "kube-dns", upstream(two))
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 203.0.113.2")
	setConfigMap(t, "other", upstream(one))
	setConfigMap(t, "kube-dns", map[string]string{"upstreamNameservers": "broken"})
	time.Sleep(time.Second) // either could be read in this time
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 203.0.113.2")
	setConfigMap(t, "kube-dns", upstream(one))
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 203.0.113.1")
}

// setConfigMap creates or replaces a ConfigMap of kube-system for this test.
func setConfigMap(t *testing.T, name string, data map[string]string) {
	t.Helper()
	maps := rig.cluster.client.CoreV1().ConfigMaps("kube-system")
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
	_, err := maps.Update(t.Context(), object, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = maps.Create(t.Context(), object, metav1.CreateOptions{})
		t.Cleanup(func() {
			if err := maps.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
				t.Errorf("delete ConfigMap %s: %v", name, err)
			}
		})
	}
	if err != nil {
		t.Fatalf("set ConfigMap %s: %v", name, err)
	}
}
