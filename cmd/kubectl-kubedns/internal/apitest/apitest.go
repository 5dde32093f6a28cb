// Package apitest serves tests like the API server of an old cluster: objects under their paths,
// and port-forwards only over SPDY. It refuses WebSockets.
package apitest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// A Server is an API server for tests.
type Server struct {
	// URL is the address of the server.
	URL string
	// Refused counts refused WebSockets, Forwarded counts port-forwards.
	Refused, Forwarded atomic.Int64

	objects map[string]any
	ports   map[string]string
}

// New starts a server with objects by their paths. ports maps each pod port to the address that
// serves it.
func New(t *testing.T, objects map[string]any, ports map[string]string) *Server {
	t.Helper()
	s := &Server{objects: objects, ports: ports}
	var open sync.WaitGroup
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/portforward") {
			s.object(w, r.URL.Path)
			return
		}
		open.Add(1) // the connection is hijacked: the server does not wait for it
		defer open.Done()
		s.forward(w, r)
	}))
	t.Cleanup(func() {
		h.Close()
		open.Wait()
	})
	s.URL = h.URL
	return s
}

func (s *Server) object(w http.ResponseWriter, path string) {
	w.Header().Set("Content-Type", "application/json")
	object, ok := s.objects[path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		object = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
			"code": 404}
	}
	_ = json.NewEncoder(w).Encode(object) // a disconnected client needs no reply
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.Refused.Add(1)
		http.Error(w, "unable to upgrade: no WebSockets here", http.StatusBadRequest)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return // already written
	}
	var copies sync.WaitGroup
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r,
		func(stream httpstream.Stream, accepted <-chan struct{}) error {
			copies.Go(func() {
				<-accepted
				if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
					stream.Close() // no errors
					return
				}
				s.copy(stream, stream.Headers().Get(corev1.PortHeader))
			})
			return nil
		})
	if conn == nil {
		return
	}
	s.Forwarded.Add(1)
	<-conn.CloseChan()
	copies.Wait()
}

// copy connects a stream with the address that serves the port.
func (s *Server) copy(stream httpstream.Stream, port string) {
	defer func() { _ = stream.Reset() }() // it might be closed
	conn, err := net.Dial("tcp", s.ports[port])
	if err != nil {
		return
	}
	defer conn.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, stream) // returns with the stream
		conn.Close()
	}()
	_, _ = io.Copy(stream, conn) // returns with the connection
	_ = stream.Close()
	<-done
}
