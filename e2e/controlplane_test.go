package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A controlPlane is etcd, kube-apiserver and kube-controller-manager, as
// cluster/up.sh started them, with the administrator's clients.
type controlPlane struct {
	dir     string
	admin   *rest.Config
	client  kubernetes.Interface
	objects dynamic.Interface
}

func openControlPlane(dir string) (*controlPlane, error) {
	admin, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return nil, fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	admin.QPS = -1
	// Half of the tests here use the deprecated Endpoints.
	admin.WarningHandler = rest.NoWarnings{}
	c := &controlPlane{dir: dir, admin: admin}
	if c.client, err = kubernetes.NewForConfig(admin); err != nil {
		return nil, err
	}
	if c.objects, err = dynamic.NewForConfig(admin); err != nil {
		return nil, err
	}
	return c, nil
}

// kill kills kube-apiserver; restart starts it again.
func (c *controlPlane) kill(t *testing.T) {
	t.Helper()
	c.signal(t, "kube-apiserver", syscall.SIGKILL)
	t.Cleanup(func() { c.restart(t) })
}

// signal sends a signal to a process of the control plane.
func (c *controlPlane) signal(t *testing.T, name string, sig syscall.Signal) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "run", name+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	field, _, _ := strings.Cut(string(b), " ")
	pid, err := strconv.Atoi(field)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("signal %s: %v", name, err)
	}
}

// restart starts the stopped processes.
func (c *controlPlane) restart(t *testing.T) {
	t.Helper()
	var out strings.Builder
	cmd := command(context.Background(), &out, "cluster/up.sh", c.dir)
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("restart the control plane: %v\n%s", err, &out)
	}
}

// version is the newest resourceVersion of the API server.
func (c *controlPlane) version(t *testing.T) int64 {
	t.Helper()
	list, err := c.client.CoreV1().Services("").List(t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	version, err := strconv.ParseInt(list.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatalf("resourceVersion of the list: %v", err)
	}
	return version
}

// An identity has a client's credentials for an API server, as the service account
// kube-system/kube-dns.
type identity struct {
	token string
	ca    []byte
	url   string
}

// kubeDNSIdentity creates the service account with the access of the manifests: the API server's
// built-in role system:kube-dns and, if slices, our own role for EndpointSlices. With nodes it can
// list Nodes, as federation requires. It returns when the API server applies exactly that.
func (c *controlPlane) kubeDNSIdentity(t *testing.T, slices, nodes bool) identity {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(c.dir, "pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	id := identity{token: c.token(t, "kube-dns"), ca: ca, url: c.admin.Host}

	role, binding := sliceRole(t)
	c.setRole(t, role, binding, slices)
	role, binding = kubeDNSRole("e2e:kube-dns-nodes", "nodes", "list")
	c.setRole(t, role, binding, nodes)
	client := id.client(t)
	c.waitAccess(t, "endpointslices", slices, func(ctx context.Context, opts metav1.ListOptions) error {
		_, err := client.DiscoveryV1().EndpointSlices("").List(ctx, opts)
		return err
	})
	c.waitAccess(t, "nodes", nodes, func(ctx context.Context, opts metav1.ListOptions) error {
		_, err := client.CoreV1().Nodes().List(ctx, opts)
		return err
	})
	return id
}

// token creates a service account of kube-system, unless it exists, and a token for it.
func (c *controlPlane) token(t *testing.T, account string) string {
	t.Helper()
	accounts := c.client.CoreV1().ServiceAccounts("kube-system")
	object := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}
	if _, err := accounts.Create(t.Context(), object, metav1.CreateOptions{}); err != nil &&
		!apierrors.IsAlreadyExists(err) {
		t.Fatalf("create the service account %s: %v", account, err)
	}
	hour := int64(3600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}
	token, err := accounts.CreateToken(t.Context(), account, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("request a token for the service account %s: %v", account, err)
	}
	return token.Status.Token
}

// kubeDNSRole is a role for one resource of the core API, bound to kube-dns.
func kubeDNSRole(name, resource string, verbs ...string) (*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding) {
	metadata := metav1.ObjectMeta{Name: name}
	return &rbacv1.ClusterRole{
			ObjectMeta: metadata,
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}},
		}, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metadata,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "kube-system", Name: "kube-dns"}},
		}
}

// setRole creates a role and its binding, or removes the binding.
func (c *controlPlane) setRole(t *testing.T, role *rbacv1.ClusterRole, binding *rbacv1.ClusterRoleBinding, bound bool) {
	t.Helper()
	ctx := t.Context()
	bindings := c.client.RbacV1().ClusterRoleBindings()
	if !bound {
		if err := bindings.Delete(ctx, binding.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Fatalf("delete the role binding %s: %v", binding.Name, err)
		}
		return
	}
	if _, err := c.client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil &&
		!apierrors.IsAlreadyExists(err) {
		t.Fatalf("create the role %s: %v", role.Name, err)
	}
	if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("create the role binding %s: %v", binding.Name, err)
	}
}

// waitAccess waits until the API server allows, or forbids, a list.
func (c *controlPlane) waitAccess(t *testing.T, what string, allowed bool,
	list func(context.Context, metav1.ListOptions) error) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		err := list(t.Context(), metav1.ListOptions{Limit: 1})
		switch {
		case allowed && err != nil:
			return fmt.Errorf("%s are not allowed yet: %w", what, err)
		case !allowed && err == nil:
			return fmt.Errorf("%s are still allowed", what)
		case !allowed && !apierrors.IsForbidden(err):
			return fmt.Errorf("list %s: %w", what, err)
		}
		return nil
	})
}

func (id identity) client(t *testing.T) kubernetes.Interface {
	t.Helper()
	cs, err := kubernetes.NewForConfig(&rest.Config{
		Host: id.url, BearerToken: id.token, TLSClientConfig: rest.TLSClientConfig{CAData: id.ca},
		WarningHandler: rest.NoWarnings{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// write writes a kubeconfig file of the identity and returns its path.
func (id identity) write(t *testing.T) string {
	t.Helper()
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters["e2e"] = &clientcmdapi.Cluster{Server: id.url, CertificateAuthorityData: id.ca}
	cfg.AuthInfos["kube-dns"] = &clientcmdapi.AuthInfo{Token: id.token}
	cfg.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: "kube-dns"}
	cfg.CurrentContext = "e2e"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*cfg, file); err != nil {
		t.Fatalf("write the kubeconfig: %v", err)
	}
	return file
}
