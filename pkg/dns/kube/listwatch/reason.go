package listwatch

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Reason is the class of an API error, as in the label reason of metrics.
type Reason string

// The classes of errors. Those up to NotFound are seldom temporary: the configuration has to
// change.
const (
	CertificateWithoutSAN Reason = "certificate_without_san"
	CertificateName       Reason = "certificate_name"
	CertificateAuthority  Reason = "certificate_authority"
	CertificateExpired    Reason = "certificate_expired"
	CertificateWeak       Reason = "certificate_weak"
	CertificateInvalid    Reason = "certificate_invalid"
	ClientCertificate     Reason = "client_certificate"
	Protocol              Reason = "protocol"
	Credentials           Reason = "credentials"
	Unauthorized          Reason = "unauthorized"
	Forbidden             Reason = "forbidden"
	NotFound              Reason = "not_found"

	ConnectionRefused Reason = "connection_refused"
	ConnectionLost    Reason = "connection_lost"
	Unreachable       Reason = "unreachable"
	NameResolution    Reason = "name_resolution"
	Timeout           Reason = "timeout"
	TooManyRequests   Reason = "too_many_requests"
	ServerError       Reason = "server_error"
	Other             Reason = "other"
)

// advice is the remedy for each class of errors. RESOURCE is replaced by the name of the unreadable
// resource. Other classes can be temporary.
var advice = map[Reason]string{
	CertificateWithoutSAN: "the API server's certificate names its host in the common name only, which counts no more: " +
		"issue one with the host as a subject alternative name (SAN)",
	CertificateName: "the API server's certificate is for other names: add the host that kube-dns calls to its subject " +
		"alternative names, or call it by one of them (--kube-master-url, or server in the kubeconfig)",
	CertificateAuthority: "the API server's certificate is signed by an authority that kube-dns does not trust: " +
		"correct certificate-authority in the kubeconfig, or ca.crt of the service account",
	CertificateExpired: "the API server's certificate is expired or not yet valid: renew it, or correct the clock of " +
		"this node",
	CertificateWeak: "the API server's certificate has a key or signature that is too weak: issue one with a key of " +
		"at least 2048 bits and SHA-256",
	CertificateInvalid: "the API server's certificate cannot be used: issue a new one",
	ClientCertificate:  "the API server does not accept the client certificate of the kubeconfig: renew it",
	Protocol: "kube-dns and the API server have no protocol in common: check http or https in the URL, and " +
		"that the server offers TLS 1.2 or later",
	Credentials: "the credentials cannot be read: check the user of the kubeconfig, or the token of the service " +
		"account",
	Unauthorized: "the API server does not accept the credentials: check the user of the kubeconfig, or the service " +
		"account, whose token is read again every minute",
	Forbidden: "allow the user of the kubeconfig, or the service account, to list and watch RESOURCE " +
		"(ClusterRole system:kube-dns allows services and endpoints)",
	NotFound: "the server has no such API: check that --kube-master-url, or server in the kubeconfig, is a Kubernetes " +
		"API server",
}

// passing are the classes of errors that can be temporary.
var passing = []Reason{
	ConnectionRefused, ConnectionLost, Unreachable, NameResolution, Timeout, TooManyRequests, ServerError, Other,
}

// Reasons returns all classes.
func Reasons() []Reason { return slices.Concat(slices.Sorted(maps.Keys(advice)), passing) }

// AdviceFor returns the remedy for an error with a resource, or "" if the error can be temporary.
func AdviceFor(reason Reason, resource string) string {
	return strings.ReplaceAll(advice[reason], "RESOURCE", resource)
}

// ReasonOf returns the class of err.
func ReasonOf(err error) Reason {
	return cmp.Or(answerReason(err), certificateReason(err), textReason(err), networkReason(err), Other)
}

// answerReason returns the class of the status in the server's reply, or "" without a reply. The
// functions below also return "" for all other errors.
func answerReason(err error) Reason {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ""
	}
	switch code := status.Status().Code; {
	case wantsHTTPS(status.Status()):
		return Protocol
	case code == http.StatusUnauthorized:
		return Unauthorized
	case code == http.StatusForbidden:
		return Forbidden
	case code == http.StatusNotFound:
		return NotFound
	case code == http.StatusTooManyRequests:
		return TooManyRequests
	case code == http.StatusGatewayTimeout, code == http.StatusRequestTimeout:
		return Timeout
	case code >= http.StatusInternalServerError:
		return ServerError
	}
	return Other
}

// wantsHTTPS reports whether the reply is that of Go's servers, and so of API servers, to a
// clear-text request on a TLS port.
func wantsHTTPS(s metav1.Status) bool {
	if s.Code != http.StatusBadRequest || s.Details == nil {
		return false
	}
	return slices.ContainsFunc(s.Details.Causes, func(c metav1.StatusCause) bool {
		return strings.Contains(c.Message, "HTTP request to an HTTPS server")
	})
}

// certificateReason classifies errors of crypto/x509 about the server's certificate.
func certificateReason(err error) Reason {
	// Errors of other types wrap an old signature or a short key.
	for _, weak := range []string{"insecure algorithm", "keys are insecure"} {
		if strings.Contains(err.Error(), weak) {
			return CertificateWeak
		}
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		if c := name.Certificate; c != nil && len(c.DNSNames) == 0 && len(c.IPAddresses) == 0 {
			return CertificateWithoutSAN
		}
		return CertificateName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CertificateExpired
	case errors.As(err, &invalid):
		return CertificateInvalid
	case errors.As(err, &authority):
		return CertificateAuthority
	}
	return ""
}

// textReason classifies errors without a type of their own.
func textReason(err error) Reason {
	text := err.Error()
	for _, known := range []struct {
		text   string
		reason Reason
	}{
		{"x509: ", CertificateInvalid},
		{"remote error: tls: protocol version", Protocol},
		{"remote error: tls: handshake failure", Protocol},
		{"remote error: tls: no application protocol", Protocol},
		{"remote error: tls: ", ClientCertificate},
		{"tls: ", Protocol},
		{"server gave HTTP response to HTTPS client", Protocol},
		{"malformed HTTP", Protocol},
		{"getting credentials", Credentials},
		{"http2: client conn", ConnectionLost},
		{"server sent GOAWAY", ConnectionLost},
		{"stream error: stream ID", ConnectionLost},
		{"server closed idle connection", ConnectionLost},
	} {
		if strings.Contains(text, known.text) {
			return known.reason
		}
	}
	return ""
}

// errShortWatch is a watch that was closed too early.
var errShortWatch = fmt.Errorf("the watch was closed within %v", goodWatch)

// goodWatch is the minimum life of a good watch.
const goodWatch = 10 * time.Second

// networkReason classifies errors on the way to the server.
func networkReason(err error) Reason {
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectionRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.As(err, &name):
		return NameResolution
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, errShortWatch):
		return ConnectionLost
	}
	return ""
}

// expired reports whether the server has dropped the history since the requested version. Servers
// up to 1.17 use either of the two reasons.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// isAboutRequest reports whether the server read the request and refused its content, rather than
// the client or its rate.
func isAboutRequest(err error) bool {
	switch answerReason(err) {
	case "", Unauthorized, Forbidden, NotFound, TooManyRequests, Timeout:
		return false
	}
	return true
}
