//go:build !api116

package main

import policyv1 "k8s.io/api/policy/v1"

// policyKinds are the types of policy/v1, new in 1.21.
var policyKinds = map[string]func() any{
	"policy/v1 PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
}
