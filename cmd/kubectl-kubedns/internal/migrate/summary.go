package migrate

import "github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"

// A Summary is a plan in the form for programs.
type Summary struct {
	APIVersion string              `json:"apiVersion"`
	From       string              `json:"from"`
	Deployment string              `json:"deployment"`
	To         string              `json:"to"`
	Zone       string              `json:"zone"`
	Address    string              `json:"address"`
	Replicas   int32               `json:"replicas"`
	Reuses     bool                `json:"reuses"`
	Findings   []translate.Finding `json:"findings"`
	Notes      []string            `json:"notes"`
}

// Summary returns the plan without its objects.
func (p Plan) Summary() Summary {
	return Summary{
		APIVersion: "v1", From: p.From.Kind, Deployment: p.From.Deployment.Name, To: p.To, Zone: p.Zone,
		Address: p.Service.Spec.ClusterIP, Replicas: p.Replicas, Reuses: p.Reuses(),
		Findings: p.Findings, Notes: p.Notes,
	}
}
