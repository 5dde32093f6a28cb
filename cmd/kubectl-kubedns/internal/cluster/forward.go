package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// A forwardKey is a port of a pod.
type forwardKey struct {
	pod  Pod
	port int
}

// A forward is an open port-forward, or one that failed.
type forward struct {
	addr  string
	err   error
	stop  chan struct{}
	ended chan struct{} // closed when its goroutine has returned
	once  chan struct{} // closed when addr and err are set
}

// Forward opens a port-forward to a TCP port of a pod, also if it only listens on the pod's
// loopback address. It returns the local address. Close closes it.
func (c *Client) Forward(ctx context.Context, pod Pod, port int) (string, error) {
	key := forwardKey{pod, port}
	c.mu.Lock()
	f := c.forwards[key]
	if f == nil {
		f = &forward{stop: make(chan struct{}), ended: make(chan struct{}), once: make(chan struct{})}
		c.forwards[key] = f
		go c.open(ctx, f, key)
	}
	c.mu.Unlock()
	select {
	case <-f.once:
		return f.addr, f.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// open maintains a port-forward until it is stopped.
func (c *Client) open(ctx context.Context, f *forward, key forwardKey) {
	defer close(f.ended)
	dialer, err := c.dialer(key.pod)
	if err != nil {
		f.err = err
		close(f.once)
		return
	}
	ready := make(chan struct{})
	// Messages of the forwarder repeat errors of the connection.
	pf, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf(":%d", key.port)}, f.stop, ready, nil, nil)
	if err != nil {
		f.err = err
		close(f.once)
		return
	}
	failed := make(chan error, 1)
	go func() { failed <- pf.ForwardPorts() }()
	select {
	case err := <-failed:
		f.err = c.forwardError(ctx, key.pod, err)
		close(f.once)
		return
	case <-ready:
		ports, err := pf.GetPorts()
		if err == nil {
			f.addr = fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
		}
		f.err = err
		close(f.once)
	}
	<-failed //nolint:errcheck // readers of its connections see what ended it
}

// forwardError explains why a port-forward failed to start.
func (c *Client) forwardError(ctx context.Context, pod Pod, err error) error {
	if err == nil {
		return errors.New("the port-forward ended")
	}
	if strings.Contains(err.Error(), "orbidden") {
		for _, verb := range []string{"get", "create"} {
			right := Right{Verb: verb, Resource: "pods/portforward", Namespace: pod.Namespace}
			if can, cerr := c.Can(ctx, right); cerr == nil && !can {
				return &MissingRight{Right: right}
			}
		}
	}
	return errors.New(oneLine([]byte(err.Error())))
}

// dialer returns a dialer that uses WebSockets, and SPDY where a proxy or an old API server
// does not support them.
func (c *Client) dialer(pod Pod) (httpstream.Dialer, error) {
	u := c.RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
		SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.cfg)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(u, c.cfg)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(socket, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// Close closes all port-forwards.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.forwards {
		close(f.stop)
	}
	for key, f := range c.forwards {
		<-f.ended
		delete(c.forwards, key)
	}
}
