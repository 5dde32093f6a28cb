package httpd

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// An Access selects the clients that can use a handler for operators.
type Access string

// The values of Access. Loopback means processes of the same pod, and "kubectl port-forward".
const (
	NoAccess Access = "none"
	Loopback Access = "loopback"
	Anyone   Access = "any"
)

// OnlyLoopback is the reason that Loopback.Guard returns if no flag decides.
const OnlyLoopback = "allowed from loopback only: use kubectl port-forward"

// ParseAccess accepts the values of Access.
func ParseAccess(text string) (Access, error) {
	switch a := Access(text); a {
	case NoAccess, Loopback, Anyone:
		return a, nil
	}
	return "", fmt.Errorf("want %s, %s or %s", NoAccess, Loopback, Anyone)
}

// Allows reports whether a client can use the handler. A client on loopback can be the browser of
// an operator: its Host header must be an address or localhost.
func (a Access) Allows(r *http.Request) bool {
	if fromLoopback(r) {
		return a != NoAccess && isLocalHost(r.Host)
	}
	return a == Anyone
}

func fromLoopback(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// Guard serves h to clients that a allows. All other clients get status 403 and why. A page of
// another site cannot read or change anything through the browser of an operator.
func (a Access) Guard(why string, h http.Handler) http.Handler {
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.Allows(r):
			h.ServeHTTP(w, r)
		case a != NoAccess && fromLoopback(r):
			http.Error(w, fmt.Sprintf("the host %q is not served: use localhost or an IP address", r.Host),
				http.StatusMisdirectedRequest)
		default:
			http.Error(w, why, http.StatusForbidden)
		}
	})
}

// isLocalHost reports whether a Host header is an address or localhost. A site name that resolves
// to this address (DNS rebinding) is neither.
func isLocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}
