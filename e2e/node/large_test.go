//go:build node

package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Contents of the large cluster.
const (
	largeServices  = 10_000
	largeHeadless  = 1_000
	largeEndpoints = 50 // of each headless Service
)

// large fills the cluster, and restarts both pods: they must hold all objects within the memory
// limit of the manifests. Kubernetes' own tests call this "Should answer DNS query for maximum
// number of services per cluster".
func (c *cluster) large(t *testing.T) {
	began := time.Now()
	c.fill(t)
	progress(t, "%d Services and %d headless ones with %d endpoints each made in %.0f s",
		largeServices, largeHeadless, largeEndpoints, time.Since(began).Seconds())
	c.wantLarge(t)
	c.memory(t, "while it filled")
	before := c.containers(t)
	c.mustKubectl(t, "-n", "kube-system", "rollout", "restart", "deployment/kube-dns")
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
	c.gone(t, before)
	c.wantLarge(t)
	c.memory(t, "started with it")
	for _, p := range c.dnsPods(t) {
		for _, s := range p.Status.ContainerStatuses {
			if s.RestartCount > 0 {
				t.Errorf("container %s of pod %s was restarted %d times: %+v", s.Name, p.Name, s.RestartCount,
					s.LastTerminationState.Terminated)
			}
		}
	}
}

// wantLarge queries both pods for the last object of each kind.
func (c *cluster) wantLarge(t *testing.T) {
	t.Helper()
	last := largeServices - 1
	var each []string
	for i := range largeEndpoints {
		each = append(each, largeEndpoint(largeHeadless-1, i))
	}
	for _, p := range c.dnsPods(t) {
		server := p.Status.PodIP + ":53"
		eventually(t, time.Minute, func() error {
			a, err := c.shop.ask(server, fmt.Sprintf("svc-%d.large-%d%s", last, last%10, zone), "A", false)
			if err == nil && len(a.Records) != 1 {
				err = fmt.Errorf("pod %s, the last Service: %s %q", p.Name, a.Rcode, a.Records)
			}
			return err
		})
		eventually(t, time.Minute, func() error {
			a, err := c.shop.ask(server, fmt.Sprintf("each-%d.large-%d%s", largeHeadless-1, (largeHeadless-1)%10, zone), "A",
				true)
			if err == nil && len(a.Records) != len(each) {
				err = fmt.Errorf("pod %s, the last headless Service: %s, %d records, want %d", p.Name, a.Rcode, len(a.Records),
					len(each))
			}
			return err
		})
	}
}

// memory prints the memory of kube-dns and checks that it never reached its limit.
func (c *cluster) memory(t *testing.T, when string) {
	t.Helper()
	for _, p := range c.dnsPods(t) {
		pid, err := process(&p, "kube-dns")
		if err != nil {
			t.Fatal(err)
		}
		limit, err1 := cgroupFile(pid, "memory.limit_in_bytes", "memory.max")
		now, err2 := cgroupFile(pid, "memory.usage_in_bytes", "memory.current")
		peak, err3 := cgroupFile(pid, "memory.max_usage_in_bytes", "memory.peak")
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		progress(t, "%s, pod %s: kube-dns uses %d MiB, at most %d, of %d", when, p.Name, now>>20, peak>>20, limit>>20)
		if want := int64(170 << 20); limit != want {
			t.Errorf("memory limit of kube-dns: got %d, want that of the manifests, %d", limit, want)
		}
		if peak >= limit {
			t.Errorf("kube-dns came to its memory limit: %d of %d", peak, limit)
		}
	}
}

func largeEndpoint(service, n int) string {
	x := service*largeEndpoints + n
	return netip.AddrFrom4([4]byte{10, 128 + byte(x>>16), byte(x >> 8), byte(x)}).String()
}

// fill creates the objects, a few at a time: the API server is not under test.
func (c *cluster) fill(t *testing.T) {
	t.Helper()
	for n := range 10 {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("large-%d", n)}}
		if _, err := c.client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what   string
		n      int
		create func(context.Context, int) error
	}{
		{"headless Services", largeHeadless, c.createHeadless},
		{"Services", largeServices, c.createService},
	} {
		if err := each(t, step.what, step.n, step.create); err != nil {
			t.Fatalf("make %s: %v", step.what, err)
		}
	}
}

// each calls create with 0 to n-1, six at a time, until one fails.
func each(t *testing.T, what string, n int, create func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := create(ctx, i); err != nil {
					cancel(err)
				}
				if i%2000 == 1999 {
					progress(t, "%d of %d %s", i+1, n, what)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// unproxied keeps kube-proxy from adding rules for Services without connections.
var unproxied = map[string]string{"service.kubernetes.io/service-proxy-name": "none"}

func (c *cluster) createService(ctx context.Context, i int) error {
	// Addresses by number, from a range that the API server does not choose from: its choice is
	// slow.
	ip := netip.AddrFrom4([4]byte{10, 111, byte(i >> 8), byte(i)}).String()
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("svc-%d", i), Labels: unproxied},
		Spec:       corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	_, err := c.client.CoreV1().Services(fmt.Sprintf("large-%d", i%10)).Create(ctx, s, metav1.CreateOptions{})
	if apierrors.IsInvalid(err) { // in use: take any other
		s.Spec.ClusterIP = ""
		_, err = c.client.CoreV1().Services(fmt.Sprintf("large-%d", i%10)).Create(ctx, s, metav1.CreateOptions{})
	}
	return err
}

func (c *cluster) createHeadless(ctx context.Context, i int) error {
	namespace, name := fmt.Sprintf("large-%d", i%10), fmt.Sprintf("each-%d", i)
	if _, err := c.client.CoreV1().Services(namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: unproxied},
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone,
			Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	port, portName, protocol, yes := int32(80), "http", corev1.ProtocolTCP, true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: "e2e",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port, Protocol: &protocol}},
	}
	for n := range largeEndpoints {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{largeEndpoint(i, n)}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
		})
	}
	_, err := c.client.DiscoveryV1().EndpointSlices(namespace).Create(ctx, s, metav1.CreateOptions{})
	return err
}
