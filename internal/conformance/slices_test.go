package conformance_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

func object(t *testing.T, text string) conformance.Object {
	t.Helper()
	var o conformance.Object
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestToSlices(t *testing.T) {
	const head = "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: %s, namespace: data, labels: " +
		"{kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: conformance}}, addressType: %s, "
	cases := []struct {
		name, endpoints string
		want            []string
	}{
		{"no subsets", "{metadata: {name: db, namespace: data}}", nil},
		{"no addresses", "{metadata: {name: db, namespace: data}, subsets: [{ports: [{port: 1}]}]}", nil},
		{
			"ready and not, host names",
			"{metadata: {name: db, namespace: data}, subsets: [{addresses: [{ip: 10.0.0.1, hostname: a, nodeName: n}], " +
				"notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: x, port: 1, protocol: TCP}]}]}",
			[]string{fmt.Sprintf(head, "db-0-v4-0", "IPv4") +
				"ports: [{name: x, port: 1, protocol: TCP}], endpoints: " +
				"[{addresses: [10.0.0.1], hostname: a, nodeName: n, conditions: {ready: true}}, {addresses: [10.0.0.2], " +
				"conditions: {ready: false}}]}"},
		},
		{
			"families and subsets",
			"{metadata: {name: db, namespace: data}, subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}, {addresses: " +
				"[{ip: 10.0.0.1}], ports: [{port: 2}]}]}",
			[]string{
				fmt.Sprintf(head, "db-0-v4-0", "IPv4") +
					"endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]}",
				fmt.Sprintf(head, "db-0-v6-0", "IPv6") +
					"endpoints: [{addresses: ['fd00::1'], conditions: {ready: true}}]}",
				fmt.Sprintf(head, "db-1-v4-0", "IPv4") +
					"ports: [{port: 2}], endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]}",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var want []conformance.Object
			for _, text := range c.want {
				want = append(want, object(t, text))
			}
			got := conformance.ToSlices(object(t, c.endpoints))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("slices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestToSlicesSplits(t *testing.T) {
	var addresses []any
	for i := range 2500 {
		addresses = append(addresses, map[string]any{"ip": fmt.Sprintf("10.1.%d.%d", i/250, i%250)})
	}
	endpoints := object(t, "{metadata: {name: db, namespace: data}}")
	endpoints["subsets"] = []any{map[string]any{"addresses": addresses}}
	var sizes []int
	names := map[string]bool{}
	seen := map[string]bool{}
	for _, slice := range conformance.ToSlices(endpoints) {
		list := slice["endpoints"].([]any)
		sizes = append(sizes, len(list))
		names[slice.Ref().Name] = true
		for _, endpoint := range list {
			seen[fmt.Sprint(endpoint.(map[string]any)["addresses"])] = true
		}
	}
	if diff := cmp.Diff([]int{1000, 1000, 500}, sizes); diff != "" {
		t.Errorf("endpoints by slice (-want +got):\n%s", diff)
	}
	if len(names) != 3 || len(seen) != 2500 {
		t.Errorf("got %d names and %d addresses, want 3 and 2500", len(names), len(seen))
	}
}
