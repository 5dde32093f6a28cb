package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// parseDomain returns the zone with its trailing dot.
func parseDomain(text string) (string, error) {
	name := strings.TrimSuffix(text, ".")
	if err := config.CheckDomain(name); err != nil {
		return "", err
	}
	if len(name) > skydns.MaxDomain {
		return "", fmt.Errorf("a zone of %d characters leaves no room for names below it: at most %d",
			len(name), skydns.MaxDomain)
	}
	return name + ".", nil
}

// parseURL expands variables and checks the result.
func parseURL(text string) (string, error) {
	expanded := os.ExpandEnv(text)
	u, err := url.Parse(expanded)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Host == ":" {
		return "", fmt.Errorf("%q needs a scheme and a host, such as https://10.0.0.1:6443", expanded)
	}
	return expanded, nil
}

// parseObjectName accepts the name of an API object, or none.
func parseObjectName(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return text, config.CheckDomain(text)
}

// minCache and maxCache bound --cache-size.
const minCache, maxCache = 64 << 10, 16 << 30

// parseSize parses a number of bytes, with a unit in Kubernetes notation.
func parseSize(text string) (int, error) {
	const form = "a size is a number of bytes, such as 8388608, 8192Ki or 8Mi; 0 means none"
	digits, shift := text, 0
	for i, unit := range []string{"Ki", "Mi", "Gi"} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			digits, shift = number, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errors.New(form)
	case n != 0 && n<<shift < minCache || n > maxCache>>shift:
		return 0, fmt.Errorf("a cache has from 64Ki to 16Gi; %s", form)
	}
	return int(n << shift), nil
}

// parseForward accepts an empty address.
func parseForward(text string) (netip.AddrPort, error) {
	if text == "" {
		return netip.AddrPort{}, nil
	}
	ns, err := config.ParseNameserver(text)
	return ns.AddrPort, err
}

// metricsOptions are the settings of the metrics port, from the environment.
type metricsOptions struct {
	port                       int // 0: off
	path, namespace, subsystem string
}

func metricsFromEnv(getenv func(string) string) (metricsOptions, error) {
	m := metricsOptions{
		path:      cmp.Or(getenv("PROMETHEUS_PATH"), "/metrics"),
		namespace: cmp.Or(getenv("PROMETHEUS_NAMESPACE"), "skydns"),
		subsystem: cmp.Or(getenv("PROMETHEUS_SUBSYSTEM"), "skydns"),
	}
	if !strings.HasPrefix(m.path, "/") {
		m.path = "/" + m.path
	}
	text := getenv("PROMETHEUS_PORT")
	if text == "" {
		return m, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return m, fmt.Errorf("PROMETHEUS_PORT=%s: a port is a number from 1 to 65535", text)
	}
	m.port = int(port)
	return m, nil
}
