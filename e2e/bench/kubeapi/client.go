// Package kubeapi is a small client of the Kubernetes API: create, replace, delete and
// watch objects, as JSON.
package kubeapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"time"
)

// Object is any JSON object.
type Object = map[string]any

// A Client sends requests to one API server. It is safe for concurrent use.
type Client struct {
	server string
	http   *http.Client
}

// New reads a kubeconfig with one cluster and one user, and with embedded certificates, as written
// by e2e/cluster/up.sh.
func New(kubeconfig string) (*Client, error) {
	b, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	value := func(key string) string {
		m := regexp.MustCompile(`(?m)^\s*-?\s*` + key + `:\s*"?([^"\s]+)"?\s*$`).FindSubmatch(b)
		if m == nil {
			return ""
		}
		return string(m[1])
	}
	decode := func(key string) []byte {
		pem, _ := base64.StdEncoding.DecodeString(value(key))
		return pem
	}
	pair, err := tls.X509KeyPair(decode("client-certificate-data"), decode("client-key-data"))
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: client certificate: %w", kubeconfig, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(decode("certificate-authority-data"))
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
	}
	return &Client{server: value("server"), http: &http.Client{Transport: transport}}, nil
}

// Do sends a request and returns the reply's body. A status other than 2xx is an error.
func (c *Client) Do(ctx context.Context, method, path string, body Object) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, out)
	}
	return out, nil
}

// Watch calls seen with the name of every object added below path, until ctx
// is done.
func (c *Client) Watch(ctx context.Context, path string, seen func(name string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+path+"?watch=1", nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Type   string
			Object struct{ Metadata struct{ Name string } }
		}
		if json.Unmarshal(lines.Bytes(), &event) == nil && event.Type == "ADDED" {
			seen(event.Object.Metadata.Name)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}
