package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// bodyLimit bounds what is read of a page: /cache of a large cluster has tens of megabytes.
const bodyLimit = 256 << 20

// A Pod is the name of a pod.
type Pod struct{ Namespace, Name string }

func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// A StatusError is a reply of a pod that is not 200.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Body) }

// Get returns the page of a pod: through the API server's proxy, or through a port-forward
// if the proxy does not reach the pod. A reply that is not 200 is a *StatusError.
func (c *Client) Get(ctx context.Context, pod Pod, port int, path string) ([]byte, error) {
	body, err := c.proxy(ctx, pod, port, path)
	if err == nil || ctx.Err() != nil || !retryForwarded(err) {
		return body, err
	}
	addr, ferr := c.Forward(ctx, pod, port)
	if ferr != nil {
		return nil, fmt.Errorf("pod %s port %d: by the API server's proxy: %w; by port-forward: %w", pod, port, err, ferr)
	}
	body, ferr = get(ctx, "http://"+addr+path)
	if ferr == nil || errors.As(ferr, new(*StatusError)) {
		return body, ferr
	}
	return nil, fmt.Errorf("pod %s port %d: by the API server's proxy: %w; by port-forward: the pod does not reply",
		pod, port, err)
}

// retryForwarded reports whether a port-forward may succeed where the proxy did not.
func retryForwarded(err error) bool {
	if errors.As(err, new(*StatusError)) || apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err) {
		return false
	}
	return unreachable(err) == nil
}

// proxy asks through the API server.
func (c *Client) proxy(ctx context.Context, pod Pod, port int, path string) ([]byte, error) {
	u, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	req := c.Core.RESTClient().Get().Namespace(pod.Namespace).Resource("pods").SubResource("proxy").
		Name(fmt.Sprintf("http:%s:%d", pod.Name, port)).Suffix(u.Path).MaxRetries(0)
	for key, values := range u.Query() {
		for _, value := range values {
			req = req.Param(key, value)
		}
	}
	var code int
	res := req.Do(ctx).StatusCode(&code)
	body, err := res.Raw()
	switch {
	case err == nil:
		return body, nil
	case apierrors.IsForbidden(err):
		return nil, &MissingRight{Right: Right{Verb: "get", Resource: "pods/proxy", Namespace: pod.Namespace}}
	case code != 0 && !ofServer(body):
		return nil, &StatusError{Code: code, Body: oneLine(body)}
	case errors.As(err, new(*url.Error)) || apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err):
		return nil, err
	}
	return nil, errors.New(oneLine([]byte(err.Error())))
}

// ofServer reports whether an error is the API server's own, and not the pod's reply.
func ofServer(body []byte) bool {
	return bytes.Contains(body, []byte(`"kind":"Status"`)) ||
		bytes.HasPrefix(bytes.ToLower(body), []byte("error trying to reach service"))
}

// oneLine returns the beginning of a text without line breaks.
func oneLine(text []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(string(text)), " ")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

// get reads a page directly.
func get(ctx context.Context, address string) ([]byte, error) {
	return Request(ctx, http.MethodGet, address)
}

// Request sends a request to a forwarded address and returns the body of its reply. A
// reply that is not 200 is a *StatusError.
func Request(ctx context.Context, method, address string) ([]byte, error) {
	body, err := open(ctx, method, address)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, bodyLimit))
}

// Stream returns the body of a forwarded address while it is sent.
func Stream(ctx context.Context, address string) (io.ReadCloser, error) {
	return open(ctx, http.MethodGet, address)
}

// open sends a request over a connection of its own.
func open(ctx context.Context, method, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		const most = 4096
		text, _ := io.ReadAll(io.LimitReader(resp.Body, most)) // what there is of it
		return nil, &StatusError{Code: resp.StatusCode, Body: oneLine(text)}
	}
	return resp.Body, nil
}
