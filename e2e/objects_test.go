package e2e

import (
	"context"
	"testing"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// change applies and deletes objects and waits until kube-dns shows the change. At the end of the
// test it removes the applied objects.
func change(t *testing.T, target *apiTarget, apply []map[string]any, del ...conformance.Ref) {
	t.Helper()
	var objects []conformance.Object
	for _, object := range apply {
		objects = append(objects, object)
		removeLater(t, target, conformance.Object(object).Ref())
	}
	if _, err := target.Change(t.Context(), objects, del); err != nil {
		t.Fatal(err)
	}
}

// removeLater deletes an object at the end of the test.
func removeLater(t *testing.T, target *apiTarget, ref conformance.Ref) {
	t.Cleanup(func() {
		if err := target.delete(context.WithoutCancel(t.Context()), ref); err != nil {
			t.Errorf("delete %s: %v", ref, err)
		}
	})
}

// service is a Service with a nameless port, unless spec has ports.
func service(namespace, name string, spec map[string]any) map[string]any {
	if spec["ports"] == nil {
		spec["ports"] = []any{map[string]any{"port": 1}}
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"namespace": namespace, "name": name}, "spec": spec,
	}
}

// endpoints is an Endpoints object with ready addresses and no ports.
func endpoints(namespace, name string, addrs ...string) map[string]any {
	list := []any{}
	for _, addr := range addrs {
		list = append(list, map[string]any{"ip": addr})
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Endpoints",
		"metadata": map[string]any{"namespace": namespace, "name": name},
		"subsets":  []any{map[string]any{"addresses": list}},
	}
}

// slice is an IPv4 EndpointSlice of a Service, with ready addresses and no
// ports.
func slice(version, namespace, service string, addrs ...string) map[string]any {
	list := []any{}
	for _, addr := range addrs {
		list = append(list, map[string]any{"addresses": []any{addr}, "conditions": map[string]any{"ready": true}})
	}
	return map[string]any{
		"apiVersion": discoveryGroup + "/" + version, "kind": "EndpointSlice",
		"metadata": map[string]any{
			"namespace": namespace, "name": service + "-1",
			"labels": map[string]any{"kubernetes.io/service-name": service},
		},
		"addressType": "IPv4", "endpoints": list,
	}
}
