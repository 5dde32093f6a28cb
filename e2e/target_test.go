package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// resources maps each kind to its API resource.
var resources = map[string]schema.GroupVersionResource{
	"Namespace":     {Version: "v1", Resource: "namespaces"},
	"Node":          {Version: "v1", Resource: "nodes"},
	"Pod":           {Version: "v1", Resource: "pods"},
	"Service":       {Version: "v1", Resource: "services"},
	"Endpoints":     {Version: "v1", Resource: "endpoints"},
	"EndpointSlice": {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
}

// An apiTarget is a kube-dns that watches the API server, as the target of the conformance vectors
// and of everything else that changes objects.
type apiTarget struct {
	objects dynamic.Interface
	server  string
	// config can be nil in tests without configuration.
	config *configDir
	// endpoints is the kind that the server reads: Endpoints or EndpointSlice. The marker has this
	// kind, and Endpoints objects are not mirrored, so that a read of the wrong kind is detected.
	endpoints string

	namespaces map[string]bool
	marks      int
}

// markerNamespace holds two Services that change last in every step. Services and endpoints have
// separate watches, so each kind has its own.
const markerNamespace = "e2e-marker"

// Server returns the address for the queries.
func (a *apiTarget) Server() string { return a.server }

// Configure replaces the configuration directory and waits for five of kube-dns's check periods.
func (a *apiTarget) Configure(ctx context.Context, files map[string]string) error {
	if err := a.config.set(files); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// Change applies and deletes the objects and waits until the server answers with a later marker.
func (a *apiTarget) Change(ctx context.Context, apply []conformance.Object,
	del []conformance.Ref) (map[netip.Addr]netip.Addr, error) {
	given := map[netip.Addr]netip.Addr{}
	for _, object := range apply {
		object = object.Clone()
		u := &unstructured.Unstructured{Object: object}
		declared := clusterIPs(u)
		got, err := a.apply(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("apply %s: %w", object.Ref(), err)
		}
		for i, ip := range clusterIPs(got) {
			if i < len(declared) && declared[i] != ip {
				given[declared[i]] = ip
			}
		}
	}
	for _, ref := range del {
		if err := a.delete(ctx, ref); err != nil {
			return nil, fmt.Errorf("delete %s: %w", ref, err)
		}
	}
	return given, a.mark(ctx)
}

// apply creates the object or replaces it entirely. A Service with an unavailable ClusterIP gets
// another.
func (a *apiTarget) apply(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if err := a.ensureNamespace(ctx, u.GetNamespace()); err != nil {
		return nil, err
	}
	if u.GetKind() == "Endpoints" {
		u.SetLabels(map[string]string{"endpointslice.kubernetes.io/skip-mirror": "true"})
	}
	client := a.resource(u.GetKind(), u.GetNamespace())
	got, err := client.Create(ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		got, err = a.replace(ctx, client, u)
	}
	if !apierrors.IsInvalid(err) || len(clusterIPs(u)) == 0 {
		return got, err
	}
	// The address is taken or outside the range, or it cannot change in place: create a new
	// Service, if necessary with another address.
	if err := client.Delete(ctx, u.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	if got, err = client.Create(ctx, u, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		return got, err
	}
	unstructured.RemoveNestedField(u.Object, "spec", "clusterIP")
	unstructured.RemoveNestedField(u.Object, "spec", "clusterIPs")
	return client.Create(ctx, u, metav1.CreateOptions{})
}

func (a *apiTarget) replace(ctx context.Context, client dynamic.ResourceInterface,
	u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	for {
		old, err := client.Get(ctx, u.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		u.SetResourceVersion(old.GetResourceVersion())
		got, err := client.Update(ctx, u, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			u.SetResourceVersion("")
			return got, err
		}
	}
}

func (a *apiTarget) delete(ctx context.Context, ref conformance.Ref) error {
	err := a.resource(ref.Kind, ref.Namespace).Delete(ctx, ref.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (a *apiTarget) resource(kind, namespace string) dynamic.ResourceInterface {
	resource := a.objects.Resource(resources[kind])
	if namespace == "" {
		return resource
	}
	return resource.Namespace(namespace)
}

func (a *apiTarget) ensureNamespace(ctx context.Context, name string) error {
	if name == "" || a.namespaces[name] {
		return nil
	}
	_, err := a.resource("Namespace", "").Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	if a.namespaces == nil {
		a.namespaces = map[string]bool{}
	}
	a.namespaces[name] = true
	return nil
}

// mark changes a Service and endpoints after everything else and waits until
// the server answers with both.
func (a *apiTarget) mark(ctx context.Context) error {
	a.marks++
	target := fmt.Sprintf("mark-%d-%d.example", time.Now().UnixNano(), a.marks)
	addr := fmt.Sprintf("10.254.%d.%d", a.marks/250%250, a.marks%250+1)
	metadata := func(name string) map[string]any {
		return map[string]any{"name": name, "namespace": markerNamespace}
	}
	objects := []map[string]any{
		{"apiVersion": "v1", "kind": "Service", "metadata": metadata("ends"), "spec": map[string]any{"clusterIP": "None"}},
		{
			"apiVersion": "v1", "kind": "Service", "metadata": metadata("name"),
			"spec": map[string]any{"type": "ExternalName", "externalName": target},
		},
	}
	switch a.endpoints {
	case "Endpoints":
		objects = append(objects, map[string]any{
			"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata("ends"),
			"subsets": []any{map[string]any{"addresses": []any{map[string]any{"ip": addr}}}},
		})
	case "EndpointSlice":
		m := metadata("ends-1")
		m["labels"] = map[string]any{"kubernetes.io/service-name": "ends"}
		objects = append(objects, map[string]any{
			"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": m, "addressType": "IPv4",
			"endpoints": []any{map[string]any{"addresses": []any{addr}}},
		})
	default:
		return fmt.Errorf("target for endpoints of kind %q", a.endpoints)
	}
	for _, object := range objects {
		u := &unstructured.Unstructured{Object: object}
		if _, err := a.apply(ctx, u); err != nil {
			return fmt.Errorf("apply the marker %s: %w", u.GetName(), err)
		}
	}
	return a.waitMark(ctx, target, addr)
}

func (a *apiTarget) waitMark(ctx context.Context, target, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := wantAnswer(a.server, question{name: "name." + markerNamespace + ".svc.cluster.local", qtype: dns.TypeCNAME},
			dns.RcodeSuccess, "CNAME "+target+".")
		if err == nil {
			err = wantAnswer(a.server, question{name: "ends." + markerNamespace + ".svc.cluster.local", qtype: dns.TypeA},
				dns.RcodeSuccess, "A "+addr)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not show the objects: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// clusterIPs returns the addresses of a Service, first one first.
func clusterIPs(u *unstructured.Unstructured) []netip.Addr {
	if u.GetKind() != "Service" {
		return nil
	}
	texts, _, _ := unstructured.NestedStringSlice(u.Object, "spec", "clusterIPs")
	if len(texts) == 0 {
		text, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP")
		texts = []string{text}
	}
	var ips []netip.Addr
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil {
			ips = append(ips, ip)
		}
	}
	return ips
}
