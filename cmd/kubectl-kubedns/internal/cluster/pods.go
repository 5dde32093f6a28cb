package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bodyLimit limits the size of a page: /cache of a large cluster has tens of megabytes.
const bodyLimit = 256 << 20

// A Pod is the name of a pod.
type Pod struct{ Namespace, Name string }

func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// IsReady reports whether a pod is ready and not terminating.
func IsReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// A StatusError is a reply of a pod with a status other than 200.
type StatusError struct {
	Code int
	Body string // one line, truncated
	text []byte
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Body) }

// Get returns the page of a pod: through the API server's proxy, or through a port-forward if the
// proxy cannot reach the pod. A status other than 200 is a *StatusError.
func (c *Client) Get(ctx context.Context, pod Pod, port int, path string) ([]byte, error) {
	body, err := c.proxy(ctx, pod, port, path)
	if err == nil || ctx.Err() != nil || !retryForwarded(err) {
		return body, err
	}
	addr, ferr := c.Forward(ctx, pod, port)
	if ferr != nil {
		return nil, fmt.Errorf("pod %s port %d: by the API server's proxy: %w; by port-forward: %w", pod, port, err,
			ferr)
	}
	body, ferr = Request(ctx, http.MethodGet, "http://"+addr+path)
	if ferr == nil || errors.As(ferr, new(*StatusError)) {
		return body, ferr
	}
	return nil, fmt.Errorf("pod %s port %d: by the API server's proxy: %w; by port-forward: the pod does not reply",
		pod, port, err)
}

// retryForwarded reports whether a port-forward can succeed where the proxy failed.
func retryForwarded(err error) bool {
	return !errors.As(err, new(*StatusError)) && !errors.As(err, new(*unreachableError))
}

// proxy sends a request through the API server. The pod and the API server itself can reply with
// the same status, so the body decides.
func (c *Client) proxy(ctx context.Context, pod Pod, port int, path string) ([]byte, error) {
	u, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	target := c.RESTClient().Get().Namespace(pod.Namespace).Resource("pods").SubResource("proxy").
		Name(fmt.Sprintf("http:%s:%d", pod.Name, port)).Suffix(u.Path).URL()
	target.RawQuery = u.RawQuery
	body, err := request(ctx, c.http, http.MethodGet, target.String())
	status, ok := errors.AsType[*StatusError](err)
	if !ok {
		return body, c.Explain(ctx, "get", "pods/proxy", pod.Namespace, err)
	}
	message, own := ofServer(status.text)
	switch {
	case !own:
		return nil, status
	case status.Code == http.StatusForbidden:
		return nil, &MissingRight{Right: Right{Verb: "get", Resource: "pods/proxy", Namespace: pod.Namespace}}
	}
	return nil, errors.New(message)
}

// ofServer returns the message of the API server's own error.
func ofServer(body []byte) (message string, own bool) {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		return oneLine([]byte(status.Message)), true
	}
	return oneLine(body), bytes.HasPrefix(bytes.ToLower(body), []byte("error trying to reach service"))
}

// oneLine returns the start of a text without line breaks.
func oneLine(text []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(string(text)), " ")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

// Request sends a request to a forwarded address and returns the body of the reply. A status other
// than 200 is a *StatusError.
func Request(ctx context.Context, method, address string) ([]byte, error) {
	return request(ctx, direct(), method, address)
}

// Stream returns the body of a forwarded address as a stream.
func Stream(ctx context.Context, address string) (io.ReadCloser, error) {
	return open(ctx, direct(), http.MethodGet, address)
}

// direct returns a client without persistent connections.
func direct() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

func request(ctx context.Context, client *http.Client, method, address string) ([]byte, error) {
	body, err := open(ctx, client, method, address)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, bodyLimit))
}

func open(ctx context.Context, client *http.Client, method, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		const most = 64 << 10
		text, _ := io.ReadAll(io.LimitReader(resp.Body, most)) // possibly incomplete
		return nil, &StatusError{Code: resp.StatusCode, Body: oneLine(text), text: text}
	}
	return resp.Body, nil
}
