// Package move changes a cluster's DNS server according to a plan of package migrate.
//
// Each step is verified before the next, and skipped if already done: the same command resumes an
// interrupted move. Until the switch, all queries go to the old server. The switch changes the
// Service's selector, with the pods of both servers ready.
package move

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/migrate"
)

// Options configure a move.
type Options struct {
	// Wait is the timeout of a step.
	Wait time.Duration
	// Drain is the time between the switch and the stop of the old pods.
	Drain time.Duration
	// Compare: query the pods of both servers before the switch.
	Compare bool
	// Out receives one line for each step.
	Out io.Writer
}

const (
	// hashLabel is the label that Deployments set on the pods of one revision.
	hashLabel    = "pod-template-hash"
	fieldManager = "kubectl-kubedns"
	pollEvery    = 500 * time.Millisecond
	undoTimeout  = 2 * time.Minute
)

// A mover runs one move.
type mover struct {
	c      *cluster.Client
	plan   migrate.Plan
	opts   Options
	from   appsv1.Deployment
	target string // the name of the Deployment
	memory memory
	done   int // steps
}

// Run applies a plan. On an error before the switch it rolls back its changes.
func Run(ctx context.Context, c *cluster.Client, plan migrate.Plan, opts Options) error {
	m := &mover{c: c, plan: plan, opts: opts, from: plan.From.Deployment, target: targetName(plan)}
	if plan.Images != nil {
		return (&replacement{mover: m}).run(ctx)
	}
	if done, err := m.complete(ctx); err != nil || done {
		return err
	}
	switched, err := m.switched(ctx)
	if err != nil {
		return err
	}
	if !switched {
		if err := m.prepare(ctx); err != nil {
			return errors.Join(err, m.undo(ctx))
		}
	} else {
		m.say("the Service leads to %s already", plan.To)
		if err := m.remember(ctx); err != nil {
			return err
		}
	}
	if err := m.finish(ctx); err != nil {
		return m.unfinished(err, plan.To)
	}
	return nil
}

// unfinished adds instructions to an error after the switch. Ctrl-C prints no error, so it prints
// the instructions.
func (m *mover) unfinished(err error, leadsTo string) error {
	text := fmt.Sprintf("The Service leads to %s. The same command continues the move; the way back: %s", leadsTo,
		m.plan.WayBack()[0])
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(m.opts.Out, "stopped. %s\n", text)
		return err
	}
	return fmt.Errorf("%w. %s", err, text)
}

func targetName(plan migrate.Plan) string {
	if plan.Target != nil {
		return plan.Target.Deployment.Name
	}
	return plan.Objects.Deployment.Name
}

// say prints a step.
func (m *mover) say(format string, args ...any) {
	m.done++
	fmt.Fprintf(m.opts.Out, "%d  %s\n", m.done, fmt.Sprintf(format, args...))
}

// prepare runs the steps up to the switch, inclusive.
func (m *mover) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{m.remember, m.objects, m.hold, m.start, m.compare, m.change} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish runs the steps after the switch.
func (m *mover) finish(ctx context.Context) error {
	for _, step := range []func(context.Context) error{m.drain, m.release} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether an earlier run has finished the move.
func (m *mover) complete(ctx context.Context) (bool, error) {
	s, err := m.service(ctx)
	if err != nil || m.plan.From.Replicas() > 0 || s.Spec.Selector[hashLabel] != "" {
		return false, err
	}
	d, found, err := m.deployment(ctx, m.target)
	if err != nil || !found || !rolledOut(d) || d.Status.ReadyReplicas == 0 {
		return false, err
	}
	m.say("the move is complete: deployment/%s has %d ready pods, deployment/%s has none", m.target,
		d.Status.ReadyReplicas, m.from.Name)
	return true, nil
}

// switched reports whether the Service selects only the pods of the target.
func (m *mover) switched(ctx context.Context) (bool, error) {
	s, err := m.service(ctx)
	if err != nil {
		return false, err
	}
	hash := s.Spec.Selector[hashLabel]
	if hash == "" {
		return false, nil
	}
	d, found, err := m.deployment(ctx, m.target)
	if err != nil || !found {
		return false, err
	}
	revision, err := m.revision(ctx, d)
	return err == nil && revision == hash, err
}

// hold keeps the Service at the current pods: new pods with the same labels get no queries until
// the switch. Replacements of current pods have the label too.
func (m *mover) hold(ctx context.Context) error {
	hash, err := m.revision(ctx, m.from)
	if err != nil {
		return err
	}
	return m.holdAt(ctx, hash)
}

// holdAt keeps the Service at the pods of one revision of the old Deployment.
func (m *mover) holdAt(ctx context.Context, hash string) error {
	if hash == "" {
		return fmt.Errorf("deployment/%s has no pods: scale it up first, so that the move loses no query", m.from.Name)
	}
	s, err := m.service(ctx)
	if err != nil {
		return err
	}
	if s.Spec.Selector[hashLabel] != hash {
		s.Spec.Selector = with(s.Spec.Selector, hashLabel, hash)
		if err := m.updateService(ctx, s); err != nil {
			return err
		}
	}
	if err := m.waitEndpoints(ctx, m.from, hash); err != nil {
		return err
	}
	m.say("held service/%s at the pods of deployment/%s", s.Name, m.from.Name)
	return nil
}

// start creates or scales the target, and waits until all its pods are ready.
func (m *mover) start(ctx context.Context) error {
	if err := m.applyDeployment(ctx); err != nil {
		return err
	}
	if err := m.waitRolledOut(ctx, m.target); err != nil {
		return err
	}
	m.say("deployment/%s: all %d pods are ready", m.target, m.plan.Replicas)
	return nil
}

// waitRolledOut waits until all pods of a Deployment are new and ready.
func (m *mover) waitRolledOut(ctx context.Context, name string) error {
	err := m.poll(ctx, func(ctx context.Context) (string, error) {
		d, found, err := m.deployment(ctx, name)
		if err != nil || !found {
			return "it does not exist", err
		}
		if rolledOut(d) {
			return "", nil
		}
		return m.whyNotReady(ctx, d), nil
	})
	if err != nil {
		return fmt.Errorf("deployment/%s: %w", name, err)
	}
	return nil
}

func rolledOut(d appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == want &&
		d.Status.ReadyReplicas == want && d.Status.Replicas == want
}

// change points the Service to the target, and back if its pods do not appear.
func (m *mover) change(ctx context.Context) error {
	d, _, err := m.deployment(ctx, m.target)
	if err != nil {
		return err
	}
	hash, err := m.revision(ctx, d)
	if err != nil {
		return err
	}
	return m.changeTo(ctx, d, hash)
}

// changeTo points the Service to the pods of one revision. The old pods remain in an EndpointSlice
// until they exit: kube-proxy keeps the connections of pending queries.
func (m *mover) changeTo(ctx context.Context, d appsv1.Deployment, hash string) error {
	s, err := m.service(ctx)
	if err != nil {
		return err
	}
	if err := m.keepServing(ctx, s); err != nil {
		return err
	}
	before := s.DeepCopy()
	final := m.final()
	s.Spec.Selector = with(final.Selector, hashLabel, hash)
	s.Spec.Ports, s.Annotations = final.ports(s.Spec.Ports), final.Annotations
	if err := m.updateService(ctx, s); err != nil {
		return err
	}
	if err := m.waitEndpoints(ctx, d, hash); err != nil {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		now, getErr := m.service(back)
		if getErr != nil {
			return errors.Join(err, getErr)
		}
		now.Spec.Selector, now.Spec.Ports, now.Annotations = before.Spec.Selector, before.Spec.Ports, before.Annotations
		return errors.Join(err, m.updateService(back, now), m.stopServing(back))
	}
	m.say("switched service/%s to the new pods of deployment/%s", s.Name, m.target)
	return nil
}

// drain waits for clients of the old pods, and stops the pods.
func (m *mover) drain(ctx context.Context) error {
	old, found, err := m.deployment(ctx, m.from.Name)
	if err != nil {
		return err
	}
	if found && (old.Spec.Replicas == nil || *old.Spec.Replicas > 0) {
		if err := m.waitUnused(ctx); err != nil {
			return err
		}
		if err := m.scale(ctx, m.from.Name, 0); err != nil {
			return err
		}
	}
	if found {
		if err := m.waitGone(ctx, old); err != nil {
			return err
		}
	}
	m.say("scaled deployment/%s to 0: it is kept for the way back", m.from.Name)
	return nil
}

// release restores the selector that the target's installers use.
func (m *mover) release(ctx context.Context) error {
	s, err := m.service(ctx)
	if err != nil {
		return err
	}
	s.Spec.Selector = m.final().Selector
	if err := m.updateService(ctx, s); err != nil {
		return err
	}
	d, _, err := m.deployment(ctx, m.target)
	if err != nil {
		return err
	}
	if err := m.waitEndpoints(ctx, d, ""); err != nil {
		return err
	}
	m.say("released service/%s: it selects %s", s.Name, selectorText(s.Spec.Selector))
	return nil
}

// undo stops the target and releases the Service, in this order: no query may reach a target that
// was not compared.
func (m *mover) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	s, err := m.service(ctx)
	if err != nil {
		return err
	}
	if s.Spec.Selector[hashLabel] == "" {
		return nil // nothing was started
	}
	err = m.undoWith(ctx, s)
	if err != nil {
		return fmt.Errorf("cannot roll back the changes: %w; run the same command again", err)
	}
	fmt.Fprintf(m.opts.Out, "rolled back: service/%s leads to deployment/%s, and deployment/%s has 0 replicas\n",
		s.Name, m.from.Name, m.target)
	return nil
}

func (m *mover) undoWith(ctx context.Context, s *corev1.Service) error {
	target, found, err := m.deployment(ctx, m.target)
	if err != nil {
		return err
	}
	if found {
		if err := m.scale(ctx, m.target, 0); err != nil {
			return err
		}
		if err := m.waitGone(ctx, target); err != nil {
			return err
		}
	}
	old := m.memory.Services[m.plan.From.Kind]
	s.Spec.Selector = old.Selector
	return m.updateService(ctx, s)
}
