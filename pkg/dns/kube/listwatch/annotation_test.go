package listwatch_test

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

func TestAnnotation(t *testing.T) {
	meta := metav1.ObjectMeta{
		Namespace: "shop", Name: "db", Labels: map[string]string{"wanted": "label"},
		Annotations: map[string]string{"a": "1", "wanted": "value", "empty": "", "z": "2"},
	}
	tests := []struct {
		name   string
		object interface{ Marshal() ([]byte, error) }
	}{
		{"slice", &discoveryv1.EndpointSlice{ObjectMeta: meta,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}}}}},
		{"Endpoints", &corev1.Endpoints{ObjectMeta: meta}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := tt.object.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(tt.object)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"wanted": "value", "empty": "", "absent": ""} {
				for _, raw := range []listwatch.Raw{{Data: data}, {Data: text, JSON: true}} {
					if got := raw.Annotation(name); got != want {
						t.Errorf("JSON=%t: %s = %q, want %q", raw.JSON, name, got, want)
					}
				}
			}
			for _, raw := range []listwatch.Raw{{Data: data}, {Data: text, JSON: true}} {
				for end := range raw.Data {
					cut := listwatch.Raw{Data: raw.Data[:end], JSON: raw.JSON}
					if got := cut.Annotation("wanted"); got != "" && got != "value" {
						t.Errorf("JSON=%t, cut off after %d bytes: %q", raw.JSON, end, got)
					}
				}
			}
		})
	}
}
