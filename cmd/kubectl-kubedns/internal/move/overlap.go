package move

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// clearTime is the time for kube-proxy to remove its rules for the old pods, before they stop.
const clearTime = 5 * time.Second

// keepServing lists the current pods in separate EndpointSlices, as terminating and serving.
// kube-proxy then sends new queries to other pods, and keeps the connections of pending queries.
// Otherwise their replies would be lost.
func (m *mover) keepServing(ctx context.Context, s *corev1.Service) error {
	list, err := m.c.EndpointSlices(m.namespace()).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + s.Name + "," + discoveryv1.LabelManagedBy + "!=" +
			fieldManager,
	})
	if err != nil {
		return m.c.Explain(ctx, "list", "endpointslices.discovery.k8s.io", m.namespace(), err)
	}
	if err := m.stopServing(ctx); err != nil { // those of an interrupted run
		return err
	}
	for i, slice := range list.Items {
		ending := endingSlice(s, slice, i)
		if len(ending.Endpoints) == 0 {
			continue
		}
		_, err := m.c.EndpointSlices(m.namespace()).Create(ctx, ending,
			metav1.CreateOptions{FieldManager: fieldManager})
		if err != nil {
			return m.c.Explain(ctx, "create", "endpointslices.discovery.k8s.io", m.namespace(), err)
		}
	}
	return nil
}

// endingSlice returns a copy of a slice with its ready pods as terminating.
func endingSlice(s *corev1.Service, slice discoveryv1.EndpointSlice, n int) *discoveryv1.EndpointSlice {
	ending := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:      fmt.Sprintf("%s-before-%s-%d", s.Name, strings.ToLower(string(slice.AddressType)), n),
			Namespace: s.Namespace,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: s.Name, discoveryv1.LabelManagedBy: fieldManager,
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: s.Name, UID: s.UID}},
		},
		AddressType: slice.AddressType,
		Ports:       slice.Ports,
	}
	for _, e := range slice.Endpoints {
		if e.Conditions.Ready == nil || *e.Conditions.Ready {
			e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
			ending.Endpoints = append(ending.Endpoints, e)
		}
	}
	return ending
}

// stopServing removes the EndpointSlices of keepServing.
func (m *mover) stopServing(ctx context.Context) error {
	err := m.c.EndpointSlices(m.namespace()).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + m.plan.Service.Name + "," +
			discoveryv1.LabelManagedBy + "=" + fieldManager,
	})
	return m.c.Explain(ctx, "deletecollection", "endpointslices.discovery.k8s.io", m.namespace(), err)
}

// waitUnused waits until the old pods have no clients, and removes the EndpointSlices.
func (m *mover) waitUnused(ctx context.Context) error {
	if !pause.For(ctx, m.opts.Drain) {
		return context.Cause(ctx)
	}
	if err := m.stopServing(ctx); err != nil {
		return err
	}
	pause.For(ctx, min(clearTime, m.opts.Drain))
	return context.Cause(ctx)
}
