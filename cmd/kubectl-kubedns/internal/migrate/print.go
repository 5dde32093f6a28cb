package migrate

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// Print writes a plan for people. With report it also lists settings without effect, and the
// differences that no configuration removes.
func (p Plan) Print(w io.Writer, report bool) error {
	diff, err := p.diff()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "from %s (deployment/%s, replicas %d) to %s\n", p.From.Kind, p.From.Deployment.Name,
		p.From.Replicas(), p.To)
	fmt.Fprintf(w, "zone %s, Service %s at %s\n\n", p.Zone, p.Service.Name, p.Service.Spec.ClusterIP)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range p.Findings {
		if f.Level == translate.Dropped && !report {
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t-> %s\n", p.levelOf(f), f.Code, f.Place, f.From, f.To)
	}
	table.Flush()
	if p.Images != nil {
		fmt.Fprintf(w, "\n%s\nonly the images change: arguments, ConfigMap, Service and number of pods stay\n", diff)
		return nil
	}
	refused, left := translate.Count(p.Findings, translate.Refused), len(p.Unaccepted(p.Accepted))
	accepted := ""
	if refused > left {
		accepted = fmt.Sprintf(", %d accepted", refused-left)
	}
	fmt.Fprintf(w, "\n%d same, %d changed, %d refused%s, %d dropped\n", translate.Count(p.Findings, translate.Same),
		translate.Count(p.Findings, translate.Changed), left, accepted, translate.Count(p.Findings, translate.Dropped))
	if diff != "" {
		fmt.Fprintf(w, "\n%s", diff)
	}
	if p.Reuses() {
		fmt.Fprintf(w, "deployment/%s exists already: it is started again with its own configuration\n",
			p.Target.Deployment.Name)
	}
	if report {
		fmt.Fprintf(w, "\nDifferences for clients with any configuration (kube-dns, CoreDNS):\n")
		for _, b := range translate.Behaviours() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Code, b.Name, b.KubeDNS, b.CoreDNS)
		}
		table.Flush()
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", note)
	}
	return nil
}

// levelOf returns the level of a finding, or "accepted" for an accepted refusal.
func (p Plan) levelOf(f translate.Finding) string {
	if f.Level == translate.Refused && slices.Contains(p.Accepted, f.Code) {
		return "accepted"
	}
	return string(f.Level)
}
