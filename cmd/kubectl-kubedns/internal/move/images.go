package move

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/migrate"
)

// heldSeconds is the minReadySeconds that keeps the old pods of a Deployment: it removes them once
// the new pods have been ready for that long.
const heldSeconds = 24 * 60 * 60

// A replacement replaces the images of a Deployment. Pods of both revisions run until the Service
// is switched, so that old pods stop without a pending query.
type replacement struct {
	*mover
	before rollout
}

// A rollout is the original state that a replacement changes in a Deployment. It is an annotation
// of the Deployment during the replacement.
type rollout struct {
	// Revision is the hash of the old pods.
	Revision                string                    `json:"revision"`
	Images                  map[string]string         `json:"images"`
	Strategy                appsv1.DeploymentStrategy `json:"strategy"`
	MinReadySeconds         int32                     `json:"minReadySeconds"`
	ProgressDeadlineSeconds *int32                    `json:"progressDeadlineSeconds"`
}

func (r *replacement) run(ctx context.Context) error {
	if err := r.read(ctx); err != nil {
		return err
	}
	s, err := r.service(ctx)
	if err != nil {
		return err
	}
	hash := s.Spec.Selector[hashLabel]
	if hash == "" || hash == r.before.Revision {
		if err := r.prepare(ctx); err != nil {
			return errors.Join(err, r.undo(ctx))
		}
	} else if err := r.remember(ctx); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return r.unfinished(err, "the new pods")
	}
	return nil
}

// read sets the original state of the Deployment, from the annotation of an earlier run if there is
// one.
func (r *replacement) read(ctx context.Context) error {
	if text := r.from.Annotations[migrate.ReplacingAnnotation]; text != "" {
		if err := json.Unmarshal([]byte(text), &r.before); err != nil {
			return fmt.Errorf("deployment/%s, annotation %s: %w", r.from.Name, migrate.ReplacingAnnotation, err)
		}
		return nil
	}
	hash, err := r.revision(ctx, r.from)
	if err != nil {
		return err
	}
	spec := r.from.Spec
	r.before = rollout{hash, map[string]string{}, spec.Strategy, spec.MinReadySeconds, spec.ProgressDeadlineSeconds}
	for _, c := range spec.Template.Spec.Containers {
		r.before.Images[c.Name] = c.Image
	}
	return nil
}

func (r *replacement) prepare(ctx context.Context) error {
	hold := func(ctx context.Context) error { return r.holdAt(ctx, r.before.Revision) }
	for _, step := range []func(context.Context) error{r.remember, hold, r.start, r.compare, r.change} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start creates the new pods, and waits until all are ready.
func (r *replacement) start(ctx context.Context) error {
	text, err := json.Marshal(r.before)
	if err != nil {
		return err
	}
	held := rollout{
		Images: r.plan.Images, MinReadySeconds: heldSeconds, ProgressDeadlineSeconds: new(int32(2 * heldSeconds)),
	}
	strategy := map[string]any{
		"type":          appsv1.RollingUpdateDeploymentStrategyType,
		"rollingUpdate": map[string]any{"maxSurge": "100%", "maxUnavailable": 0},
	}
	if err := r.patch(ctx, held, strategy, string(text)); err != nil {
		return err
	}
	err = r.poll(ctx, func(ctx context.Context) (string, error) {
		hash, err := r.fresh(ctx)
		if err != nil {
			return "", err
		}
		if hash == "" {
			return "the Deployment has no new pods", nil
		}
		pods, err := r.podsOf(ctx, r.from, hash)
		if err != nil {
			return "", err
		}
		if why := whyNot(pods); why != "" || len(pods) >= int(r.plan.Replicas) {
			return why, nil
		}
		return fmt.Sprintf("%d of %d new pods exist", len(pods), r.plan.Replicas), nil
	})
	if err != nil {
		return fmt.Errorf("deployment/%s: %w", r.from.Name, err)
	}
	r.say("set %d images of deployment/%s: all %d new pods are ready", len(r.plan.Images), r.from.Name, r.plan.Replicas)
	return nil
}

func (r *replacement) compare(ctx context.Context) error {
	hash, err := r.fresh(ctx)
	if err != nil {
		return err
	}
	return r.compareWith(ctx, r.from, r.before.Revision, r.from, hash)
}

func (r *replacement) change(ctx context.Context) error {
	hash, err := r.fresh(ctx)
	if err != nil {
		return err
	}
	return r.changeTo(ctx, r.from, hash)
}

// finish releases the old pods of the Deployment, and the Service selects all pods again.
func (r *replacement) finish(ctx context.Context) error {
	if err := r.waitUnused(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx, nil); err != nil {
		return err
	}
	if err := r.waitRolledOut(ctx, r.from.Name); err != nil {
		return err
	}
	if err := r.waitOldGone(ctx); err != nil {
		return err
	}
	r.say("ended the old pods of deployment/%s", r.from.Name)
	if err := r.release(ctx); err != nil {
		return err
	}
	return r.forget(ctx)
}

// waitOldGone waits until all pods of the old revision have exited.
func (r *replacement) waitOldGone(ctx context.Context) error {
	return r.poll(ctx, func(ctx context.Context) (string, error) {
		pods, err := r.podsOf(ctx, r.from, r.before.Revision)
		if err != nil || len(pods) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d old pods of deployment/%s are left", len(pods), r.from.Name), nil
	})
}

// undo removes the new pods, and releases the Service.
func (r *replacement) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	s, err := r.service(ctx)
	if err != nil {
		return err
	}
	if s.Spec.Selector[hashLabel] == "" {
		return nil // nothing was started
	}
	if err := r.undoWith(ctx); err != nil {
		return fmt.Errorf("cannot roll back the changes: %w; run the same command again", err)
	}
	fmt.Fprintf(r.opts.Out, "rolled back the images of deployment/%s, and service/%s\n", r.from.Name, s.Name)
	return nil
}

func (r *replacement) undoWith(ctx context.Context) error {
	if err := r.settle(ctx, r.before.Images); err != nil {
		return err
	}
	if err := r.waitRolledOut(ctx, r.from.Name); err != nil {
		return err
	}
	if err := r.stopServing(ctx); err != nil {
		return err
	}
	s, err := r.service(ctx)
	if err != nil {
		return err
	}
	s.Spec.Selector = r.memory.Services[r.plan.From.Kind].Selector
	if err := r.updateService(ctx, s); err != nil {
		return err
	}
	return r.forget(ctx)
}

// settle restores the rollout settings of the Deployment, and sets images if there are some.
func (r *replacement) settle(ctx context.Context, images map[string]string) error {
	text, err := json.Marshal(r.before)
	if err != nil {
		return err
	}
	back := r.before
	back.Images = images
	strategy := map[string]any{"type": back.Strategy.Type, "rollingUpdate": back.Strategy.RollingUpdate}
	return r.patch(ctx, back, strategy, string(text))
}

// forget removes the annotation.
func (r *replacement) forget(ctx context.Context) error {
	patch := encode(map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{migrate.ReplacingAnnotation: nil},
	}})
	_, err := r.c.Deployments(r.namespace()).Patch(ctx, r.from.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	return r.c.Explain(ctx, "patch", "deployments.apps", r.namespace(), err)
}

func (r *replacement) patch(ctx context.Context, to rollout, strategy map[string]any, annotation string) error {
	spec := map[string]any{
		"strategy": strategy, "minReadySeconds": to.MinReadySeconds,
		"progressDeadlineSeconds": to.ProgressDeadlineSeconds,
	}
	if len(to.Images) > 0 {
		var containers []map[string]string // all of them, to keep their order
		for _, c := range r.from.Spec.Template.Spec.Containers {
			image := cmp.Or(to.Images[c.Name], r.before.Images[c.Name])
			containers = append(containers, map[string]string{"name": c.Name, "image": image})
		}
		spec["template"] = map[string]any{"spec": map[string]any{"containers": containers}}
	}
	patch := encode(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{migrate.ReplacingAnnotation: annotation}},
		"spec":     spec,
	})
	_, err := r.c.Deployments(r.namespace()).Patch(ctx, r.from.Name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	return r.c.Explain(ctx, "patch", "deployments.apps", r.namespace(), err)
}

// fresh returns the hash of the new pods, or "" if there are none yet.
func (r *replacement) fresh(ctx context.Context) (string, error) {
	sets, err := r.replicaSets(ctx, r.from)
	if err != nil {
		return "", err
	}
	sets = slices.DeleteFunc(sets, func(s appsv1.ReplicaSet) bool { return s.Labels[hashLabel] == r.before.Revision })
	switch len(sets) {
	case 0:
		return "", nil
	case 1:
		return sets[0].Labels[hashLabel], nil
	}
	return "", fmt.Errorf("deployment/%s has new pods of %d revisions: put its images back with kubectl rollout undo "+
		"deployment/%s",
		r.from.Name, len(sets), r.from.Name)
}
