package migrate

import (
	"github.com/aymanbagabas/go-udiff"
)

// diff returns the changes of a plan to existing objects: the Service, or the Deployment whose
// images are replaced. New objects are in Files.
func (p Plan) diff() (string, error) {
	var before, after any
	var name string
	if p.Images != nil {
		d := p.From.Deployment.DeepCopy()
		d.TypeMeta, d.ObjectMeta = typeMeta("apps/v1", "Deployment"), cleanMeta(d.ObjectMeta)
		name, before, after = "deployment/"+d.Name, d, p.Objects.Deployment
	} else {
		s := p.Service.DeepCopy()
		s.TypeMeta, s.ObjectMeta = typeMeta("v1", "Service"), cleanMeta(s.ObjectMeta)
		name, before, after = "service/"+s.Name, s, p.Objects.Service
	}
	old, err := documents([]any{before})
	if err != nil {
		return "", err
	}
	fresh, err := documents([]any{after})
	if err != nil {
		return "", err
	}
	return udiff.Unified(name, name, string(old), string(fresh)), nil
}
