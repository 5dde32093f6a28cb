package httpd

import (
	"fmt"
	"net/http"
	"net/netip"
)

// An Access is who may use a handler for operators.
type Access string

// The values of Access. Loopback means processes of the same pod, and "kubectl port-forward".
const (
	NoAccess Access = "none"
	Loopback Access = "loopback"
	Anyone   Access = "any"
)

// OnlyLoopback is why Loopback.Guard refuses where no flag decides.
const OnlyLoopback = "allowed from loopback only: use kubectl port-forward"

// ParseAccess accepts the values of Access.
func ParseAccess(text string) (Access, error) {
	switch a := Access(text); a {
	case NoAccess, Loopback, Anyone:
		return a, nil
	}
	return "", fmt.Errorf("want %s, %s or %s", NoAccess, Loopback, Anyone)
}

// Allows reports whether a client may use the handler.
func (a Access) Allows(r *http.Request) bool {
	switch a {
	case Anyone:
		return true
	case Loopback:
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		return err == nil && from.Addr().Unmap().IsLoopback()
	}
	return false
}

// Guard serves h to clients that a allows. All others get status 403 and why. A page of
// another site cannot change anything through the browser of an operator.
func (a Access) Guard(why string, h http.Handler) http.Handler {
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.Allows(r) {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
