package migrate

import "github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"

// A Summary is a plan as programs read it.
type Summary struct {
	APIVersion string           `json:"apiVersion"`
	From       string           `json:"from"`
	Deployment string           `json:"deployment"`
	To         string           `json:"to"`
	Zone       string           `json:"zone"`
	Address    string           `json:"address"`
	Replicas   int32            `json:"replicas"`
	Reuses     bool             `json:"reuses"`
	Findings   []SummaryFinding `json:"findings"`
	Notes      []string         `json:"notes"`
}

// A SummaryFinding is a translate.Finding.
type SummaryFinding struct {
	Level string `json:"level"`
	Code  string `json:"code,omitempty"`
	Place string `json:"place"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// Summary returns the plan without its objects.
func (p Plan) Summary() Summary {
	s := Summary{
		APIVersion: "v1", From: p.From.Kind, Deployment: p.From.Deployment.Name, To: p.To, Zone: p.Zone,
		Address: p.Service.Spec.ClusterIP, Replicas: p.Replicas, Reuses: p.Reuses(), Notes: p.Notes,
	}
	for _, f := range p.Findings {
		s.Findings = append(s.Findings, summaryOf(f))
	}
	return s
}

func summaryOf(f translate.Finding) SummaryFinding {
	return SummaryFinding{f.Level.String(), f.Code, f.Place, f.From, f.To}
}
