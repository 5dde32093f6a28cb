package move

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/migrate"
)

// Status prints the number of pods of each server, and how many get queries.
func Status(ctx context.Context, c *cluster.Client, inv migrate.Inventory, out io.Writer) error {
	servers := inv.Servers()
	if len(servers) == 0 {
		return fmt.Errorf("no Deployment in namespace %s has an image coredns or kube-dns: name the namespace with -n",
			inv.Namespace)
	}
	service, err := inv.Service(servers[0])
	if err != nil {
		return err
	}
	behind := 0
	for _, s := range servers {
		m := &mover{c: c, from: s.Deployment, plan: migrate.Plan{Service: service}}
		endpoints, err := m.endpoints(ctx)
		if err != nil {
			return err
		}
		pods, err := m.pods(ctx, s.Deployment)
		if err != nil {
			return err
		}
		ready, queried := 0, 0
		for _, p := range pods {
			if cluster.IsReady(&p) {
				ready++
			}
			if slices.Contains(endpoints, p.Name) {
				queried++
			}
		}
		if queried > 0 {
			behind++
		}
		fmt.Fprintf(out, "%s (deployment/%s): %d of %d pods ready, %d get queries\n", s.Kind, s.Deployment.Name, ready,
			s.Replicas(), queried)
	}
	fmt.Fprintf(out, "service/%s %s selects %s\n", service.Name, service.Spec.ClusterIP,
		selectorText(service.Spec.Selector))
	switch held := service.Spec.Selector[hashLabel] != ""; {
	case held:
		fmt.Fprintln(out, "a move is in progress: run the same command again, or the one for the other direction")
	case behind > 1:
		fmt.Fprintln(out,
			"both servers get queries: kubectl kubedns migrate --to kube-dns|coredns --apply keeps one of them")
	}
	return nil
}
