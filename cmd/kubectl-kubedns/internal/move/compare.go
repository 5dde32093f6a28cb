package move

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
)

const (
	maxCompared = 100
	// settleTime is the maximum duration of a difference: objects change, and caches keep replies.
	settleTime = 45 * time.Second
	// shownDifferences is the number of names in an error.
	shownDifferences = 3
)

// A question is sent to the pods of both servers.
type question struct {
	name  string
	qtype string
	// rcodeOnly: the records differ by design.
	rcodeOnly bool
}

// compare queries each pod of the target and one pod of the old server, over TCP.
func (m *mover) compare(ctx context.Context) error {
	d, _, err := m.deployment(ctx, m.target)
	if err != nil {
		return err
	}
	return m.compareWith(ctx, m.from, "", d, "")
}

// compareWith queries the pods of a revision of each Deployment. An empty hash means all pods.
func (m *mover) compareWith(
	ctx context.Context, from appsv1.Deployment, before string, to appsv1.Deployment, after string,
) error {
	if !m.opts.Compare {
		m.say("skipped the comparison of replies")
		return nil
	}
	questions, err := m.questions(ctx)
	if err != nil {
		return err
	}
	old, err := m.readyPods(ctx, from, before)
	if err != nil {
		return err
	}
	fresh, err := m.readyPods(ctx, to, after)
	if err != nil {
		return err
	}
	want, err := m.askAll(ctx, old[0], questions)
	if err != nil {
		return err
	}
	for _, p := range fresh {
		if err := m.sameReplies(ctx, p, questions, want); err != nil {
			return err
		}
	}
	m.say("compared %d replies of each of %d pods with those of pod %s", len(questions), len(fresh), old[0].Name)
	return nil
}

func (m *mover) readyPods(ctx context.Context, d appsv1.Deployment, hash string) ([]corev1.Pod, error) {
	pods, err := m.podsOf(ctx, d, hash)
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return !cluster.IsReady(&p) })
	if len(pods) == 0 {
		return nil, fmt.Errorf("deployment/%s has no ready pod to query", d.Name)
	}
	return pods, nil
}

// sameReplies queries one pod. Objects change at the same time: only a lasting difference counts.
func (m *mover) sameReplies(ctx context.Context, p corev1.Pod, questions []question, want []string) error {
	var different []string
	err := pollFor(ctx, min(m.opts.Wait, settleTime), func(ctx context.Context) (string, error) {
		got, err := m.askAll(ctx, p, questions)
		if err != nil {
			return err.Error(), nil // a new pod can refuse
		}
		different = nil
		for i, q := range questions {
			if got[i] != want[i] {
				different = append(different, fmt.Sprintf("%s %s: %s, want %s", q.name, q.qtype, got[i], want[i]))
			}
		}
		if len(different) > shownDifferences {
			different = append(different[:shownDifferences], "...")
		}
		return strings.Join(different, "; "), nil
	})
	if err != nil {
		return fmt.Errorf("pod %s replies differently: %w", p.Name, err)
	}
	return nil
}

// questions are names of Services, and a name that does not exist.
func (m *mover) questions(ctx context.Context) ([]question, error) {
	zone := dns.Fqdn(m.plan.Zone)
	list, err := m.c.Services("").List(ctx, metav1.ListOptions{Limit: maxCompared})
	if err != nil {
		return nil, m.c.Explain(ctx, "list", "services", "", err)
	}
	questions := []question{
		{"kubernetes.default.svc." + zone, "A", false},
		{"no-such-service.default.svc." + zone, "A", true},
	}
	for _, s := range list.Items {
		addr := net.ParseIP(s.Spec.ClusterIP)
		if s.Spec.Type == corev1.ServiceTypeExternalName || addr == nil {
			continue
		}
		qtype := "AAAA"
		if addr.To4() != nil {
			qtype = "A"
		}
		questions = append(questions, question{s.Name + "." + s.Namespace + ".svc." + zone, qtype, false})
		if reverse, err := dns.ReverseAddr(addr.String()); err == nil {
			questions = append(questions, question{reverse, "PTR", false})
		}
	}
	return questions, nil
}

// askAll returns the replies of a pod as text.
func (m *mover) askAll(ctx context.Context, p corev1.Pod, questions []question) ([]string, error) {
	addr, err := m.c.Forward(ctx, cluster.Pod{Namespace: p.Namespace, Name: p.Name}, 53)
	if err != nil {
		return nil, fmt.Errorf("cannot query pod %s: %w; --no-compare skips the comparison", p.Name, err)
	}
	server := &ask.Server{Addr: addr}
	defer server.Close()
	replies := make([]string, 0, len(questions))
	for _, q := range questions {
		r := server.Ask(ctx, q.name, q.qtype)
		if r.Err != "" {
			return nil, fmt.Errorf("pod %s, %s: %s", p.Name, q.name, r.Err)
		}
		text := []string{r.Rcode}
		for _, rr := range r.Answer {
			if !q.rcodeOnly {
				text = append(text, rr.Data)
			}
		}
		replies = append(replies, strings.Join(text, " "))
	}
	return replies, nil
}
