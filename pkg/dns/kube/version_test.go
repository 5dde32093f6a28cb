package kube_test

import (
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		name, body string
		wantText   string
		want132    bool
	}{
		{"plain", `{"major": "1", "minor": "32", "gitVersion": "v1.32.1"}`, "v1.32.1", true},
		{"a provider's", `{"major": "1", "minor": "18+", "gitVersion": "v1.18.20-eks-1"}`, "v1.18.20-eks-1", false},
		{"another provider's", `{"major": "1", "minor": "33-gke.1"}`, "v1.33", true},
		{"next major", `{"major": "2", "minor": "0"}`, "v2.0", true},
		{"no numbers", `{"major": "", "minor": ""}`, "unknown", false},
		{"other JSON", `[1]`, "unknown", false},
		{"no JSON", `<html>`, "unknown", false},
		{"empty", ``, "unknown", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, is132 := kube.ParseVersion([]byte(tt.body))
			if text != tt.wantText || is132 != tt.want132 {
				t.Errorf("version %s, at least 1.32: %t; want %s, %t", text, is132, tt.wantText, tt.want132)
			}
		})
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add([]byte(`{"major": "1", "minor": "18+", "gitVersion": "v1.18.20"}`))
	f.Add([]byte(`{"major": "99999999999999999999", "minor": "-1"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if text, _ := kube.ParseVersion(body); text == "" {
			t.Error("a version without a text")
		}
	})
}
