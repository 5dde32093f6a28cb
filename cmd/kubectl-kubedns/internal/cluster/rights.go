package cluster

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Right is a verb on a resource, such as "get pods/proxy". Resource can have a group, such as
// "deployments.apps". An empty Namespace means all namespaces.
type Right struct {
	Verb, Resource, Namespace string
}

func (r Right) String() string {
	where := "in all namespaces"
	if r.Namespace != "" {
		where = "in namespace " + r.Namespace
	}
	return fmt.Sprintf("%s %s %s", r.Verb, r.Resource, where)
}

// attributes returns the right in the form of the API.
func (r Right) attributes() *authorizationv1.ResourceAttributes {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	return &authorizationv1.ResourceAttributes{
		Verb: r.Verb, Group: group, Resource: resource, Subresource: sub, Namespace: r.Namespace,
	}
}

// A MissingRight is the error for a missing permission of the user.
type MissingRight struct{ Right Right }

func (e *MissingRight) Error() string {
	changes := e.Right.Verb == "update" || e.Right.Verb == "patch" || e.Right.Verb == "deletecollection" ||
		e.Right.Verb == "create" && strings.HasPrefix(e.Right.Resource, "endpointslices")
	if changes { // of migrate --apply
		return fmt.Sprintf("you may not %s (docs/move.md#rights)", e.Right)
	}
	return fmt.Sprintf("you may not %s: the ClusterRole kube-dns-viewer allows it (docs/kubectl-kubedns.md)", e.Right)
}

// Can reports whether the user has a right.
func (c *Client) Can(ctx context.Context, r Right) (bool, error) {
	review, err := c.SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: r.attributes()},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, c.Explain(ctx, "create", "selfsubjectaccessreviews.authorization.k8s.io", "", err)
	}
	return review.Status.Allowed, nil
}

// AccountCan reports whether a service account has a right.
func (c *Client) AccountCan(ctx context.Context, namespace, account string, r Right) (bool, error) {
	review, err := c.SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + namespace + ":" + account,
			Groups: []string{
				"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated",
			},
			ResourceAttributes: r.attributes(),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, c.Explain(ctx, "create", "subjectaccessreviews.authorization.k8s.io", "", err)
	}
	return review.Status.Allowed, nil
}
