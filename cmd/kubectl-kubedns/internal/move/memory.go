package move

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A memory is the stored state of a move, for the way back.
type memory struct {
	// Services has the shape of the Service for each server that has run.
	Services map[string]shape `json:"services"`
}

// A shape is the part of a Service that differs between the servers.
type shape struct {
	Selector    map[string]string    `json:"selector"`
	Ports       []corev1.ServicePort `json:"ports"`
	Annotations map[string]string    `json:"annotations,omitempty"`
}

// ports returns the ports with the Service's current node ports.
func (s shape) ports(now []corev1.ServicePort) []corev1.ServicePort {
	ports := slices.Clone(s.Ports)
	for i, p := range ports {
		for _, old := range now {
			if old.Port == p.Port && old.Protocol == p.Protocol {
				ports[i].NodePort = old.NodePort
			}
		}
	}
	return ports
}

// MemoryName is the ConfigMap with the memory.
const MemoryName = "kube-dns-migration"

const memoryKey = "before.json"

// remember reads the memory, and adds the current Service unless a move holds it.
func (m *mover) remember(ctx context.Context) error {
	configMaps := m.c.ConfigMaps(m.namespace())
	stored, err := configMaps.Get(ctx, MemoryName, metav1.GetOptions{})
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return m.c.Explain(ctx, "get", "configmaps", m.namespace(), err)
	}
	m.memory = memory{Services: map[string]shape{}}
	if exists {
		if err := json.Unmarshal([]byte(stored.Data[memoryKey]), &m.memory); err != nil || m.memory.Services == nil {
			return fmt.Errorf("the ConfigMap %s, key %s: %w; delete it if no move runs", MemoryName, memoryKey, err)
		}
	}
	s, err := m.service(ctx)
	if err != nil {
		return err
	}
	if _, held := s.Spec.Selector[hashLabel]; held {
		return nil
	}
	m.memory.Services[m.plan.From.Kind] = shape{s.Spec.Selector, s.Spec.Ports, s.Annotations}
	text, err := json.MarshalIndent(m.memory, "", "  ")
	if err != nil {
		return err
	}
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: MemoryName, Namespace: m.namespace()},
		Data:       map[string]string{memoryKey: string(text)},
	}
	if err := m.writeConfigMap(ctx, cm); err != nil {
		return err
	}
	m.say("saved service/%s in the ConfigMap %s", s.Name, MemoryName)
	return nil
}

// final returns the Service after the move: its earlier shape with the target, or that of the plan.
func (m *mover) final() shape {
	if s, ok := m.memory.Services[m.plan.To]; ok {
		return s
	}
	s := m.plan.Objects.Service
	return shape{s.Spec.Selector, s.Spec.Ports, s.Annotations}
}
