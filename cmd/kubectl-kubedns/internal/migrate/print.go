package migrate

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/translate"
)

// Print writes a plan for people. With report it also lists what has no effect, and the
// differences that no configuration takes away.
func (p Plan) Print(w io.Writer, report bool) {
	fmt.Fprintf(
		w,
		"from %s (deployment/%s, replicas %d) to %s\n",
		p.From.Kind,
		p.From.Deployment.Name,
		p.From.Replicas(),
		p.To,
	)
	fmt.Fprintf(w, "zone %s, Service %s at %s\n\n", p.Zone, p.Service.Name, p.Service.Spec.ClusterIP)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range p.Findings {
		if f.Level == translate.Dropped && !report {
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t-> %s\n", f.Level, f.Code, f.Place, f.From, f.To)
	}
	table.Flush()
	if p.Images != nil {
		fmt.Fprintln(w, "\nonly the images change: arguments, ConfigMap, Service and number of pods stay")
		return
	}
	fmt.Fprintf(w, "\n%d same, %d changed, %d refused, %d dropped\n", translate.Count(p.Findings, translate.Same),
		translate.Count(p.Findings, translate.Changed), translate.Count(p.Findings, translate.Refused),
		translate.Count(p.Findings, translate.Dropped))
	if p.Reuses() {
		fmt.Fprintf(
			w,
			"deployment/%s is there already: it is started again with its own configuration\n",
			p.Target.Deployment.Name,
		)
	}
	if report {
		fmt.Fprintf(w, "\nFor clients, whatever the configuration (kube-dns, CoreDNS):\n")
		for _, b := range translate.Behaviours() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Code, b.Name, b.KubeDNS, b.CoreDNS)
		}
		table.Flush()
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", note)
	}
}
