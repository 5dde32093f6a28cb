package migrate

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Files returns a plan as files: a kustomization with its resources, values for Helm, and the
// current objects in the folder "before".
func (p Plan) Files() (map[string][]byte, error) {
	o := p.Objects
	files := map[string][]byte{}
	var resources []string
	var failed error
	add := func(name string, objects ...any) {
		text, err := documents(objects)
		failed = errors.Join(failed, err)
		files[name] = text
		resources = append(resources, "  - "+name)
	}
	switch {
	case p.Images != nil:
		add("deployment.yaml", o.Deployment)
	case !p.Reuses():
		add("access.yaml", o.Account, o.Role, o.Binding)
		add("configmap.yaml", o.ConfigMap)
		add("deployment.yaml", o.Deployment)
		if o.Budget != nil {
			add("poddisruptionbudget.yaml", o.Budget)
		}
	}
	if o.Service != nil {
		add("service.yaml", o.Service)
	}
	if failed != nil {
		return nil, failed
	}
	files["kustomization.yaml"] = []byte("# " + p.title() + "\n" +
		"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n" +
		strings.Join(resources, "\n") + "\n")
	if p.Values != nil {
		text, err := yaml.Marshal(p.Values)
		if err != nil {
			return nil, err
		}
		files["values.yaml"] = append([]byte("# For the Helm chart kube-dns, in place of the kustomization.\n"),
			text...)
	}
	return files, p.before(files)
}

// before adds the current objects.
func (p Plan) before(files map[string][]byte) error {
	d := p.From.Deployment.DeepCopy()
	d.TypeMeta, d.ObjectMeta = typeMeta("apps/v1", "Deployment"), cleanMeta(d.ObjectMeta)
	s := p.Service.DeepCopy()
	s.TypeMeta, s.ObjectMeta = typeMeta("v1", "Service"), cleanMeta(s.ObjectMeta)
	text, err := documents([]any{d, s})
	files["before/"+p.From.Kind+".yaml"] = text
	return err
}

func (p Plan) title() string {
	return fmt.Sprintf("From %s (deployment/%s) to %s. Apply it with kubectl kubedns migrate --to %s --apply, "+
		"which changes one thing at a time.", p.From.Kind, p.From.Deployment.Name, p.To, p.To)
}

// documents returns objects as YAML without their status.
func documents(objects []any) ([]byte, error) {
	var parts []string
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, err
		}
		var fields map[string]any
		if err := yaml.Unmarshal(text, &fields); err != nil {
			return nil, err
		}
		delete(fields, "status")
		prune(fields)
		if text, err = yaml.Marshal(fields); err != nil {
			return nil, err
		}
		parts = append(parts, string(text))
	}
	return []byte(strings.Join(parts, "---\n")), nil
}

// prune removes the empty creation times and strategies that encoding adds.
func prune(fields map[string]any) {
	for key, value := range fields {
		inner, isMap := value.(map[string]any)
		switch {
		case key == "creationTimestamp" && value == nil:
			delete(fields, key)
		case isMap:
			prune(inner)
			if key == "loadBalancer" && len(inner) == 0 {
				delete(fields, key)
			}
		}
	}
}
