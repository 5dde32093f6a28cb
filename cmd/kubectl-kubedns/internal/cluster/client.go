// Package cluster reads the objects and the pods of a cluster. It reaches pods through the API
// server's proxy, or through a port-forward where that fails. The package itself writes nothing.
package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the auth plugins of kubeconfigs
	"k8s.io/client-go/rest"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/objects"
)

// A Client reads one cluster. Close closes its port-forwards.
type Client struct {
	// Namespace is that of kube-dns, and Selector selects its pods.
	Namespace, Selector string

	// The objects of the cluster.
	objects.Set

	cfg  *rest.Config
	http *http.Client

	mu       sync.Mutex
	forwards map[forwardKey]*forward
}

func newClient(cfg *rest.Config, namespace, selector string) (*Client, error) {
	c := &Client{Namespace: namespace, Selector: selector, cfg: cfg, forwards: map[forwardKey]*forward{}}
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	c.http = h
	c.Set, err = objects.NewSet(cfg, h)
	return c, err
}

// Host returns the address of the API server.
func (c *Client) Host() string { return c.cfg.Host }

// Explain returns err with the failed action, in one line: the missing permission, the missing
// namespace, or the unreachable API server.
func (c *Client) Explain(ctx context.Context, verb, resource, namespace string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %s %s: %w", c.Host(), verb, resource, context.Cause(ctx))
	case apierrors.IsForbidden(err):
		return &MissingRight{Right: Right{Verb: verb, Resource: resource, Namespace: namespace}}
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s does not accept the credentials of the kubeconfig: sign in again", c.Host())
	}
	if cause := unreachable(err); cause != nil {
		return &unreachableError{c.Host(), cause}
	}
	return fmt.Errorf("%s %s: %w", verb, resource, err)
}

// DNSPods returns the DNS pods, sorted by name. Its error explains an empty list.
func (c *Client) DNSPods(ctx context.Context) ([]v1.Pod, error) {
	list, err := c.Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: c.Selector})
	if err != nil {
		return nil, c.Explain(ctx, "list", "pods", c.Namespace, err)
	}
	if len(list.Items) == 0 {
		if _, err := c.Namespaces().Get(ctx, c.Namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("the cluster at %s has no namespace %s: set -n", c.Host(), c.Namespace)
		}
	}
	slices.SortFunc(list.Items, func(a, b v1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// An unreachableError is a request that did not reach the API server.
type unreachableError struct {
	host  string
	cause error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("cannot reach the API server %s: %v", e.host, e.cause)
}

func (e *unreachableError) Unwrap() error { return e.cause }
