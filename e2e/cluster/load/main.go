// Command load fills a cluster with Services and EndpointSlices, quickly, and prints the duration.
//
// It creates three kinds of objects, all labelled load=true for -delete:
//
//   - namespaces (-namespaces) for the Services;
//   - Services with one port (-services), dual stack with -dual-stack;
//   - headless Services without selector (-headless), each with
//     -endpoints-per-headless addresses in EndpointSlices of -slice-size.
//
// Example, with a cluster that up.sh started:
//
//	go run ./cluster/load -kubeconfig /tmp/k8s/kubeconfig -services 5000 -cluster-ip-base 10.100.0.0
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig  string
	services    int
	headless    int
	perHeadless int
	sliceSize   int
	namespaces  int
	prefix      string
	dualStack   bool
	ipBase      string
	ip6Base     string
	hostnames   bool
	qps         float64
	workers     int
	remove      bool
	json        bool
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig of a user who may make all this")
	flag.IntVar(&o.services, "services", 1000, "Services with a ClusterIP to make")
	flag.IntVar(&o.headless, "headless", 10, "headless Services to make")
	flag.IntVar(&o.perHeadless, "endpoints-per-headless", 1000, "addresses of each headless Service")
	flag.IntVar(&o.sliceSize, "slice-size", 100, "addresses in one EndpointSlice (at most 1000)")
	flag.IntVar(&o.namespaces, "namespaces", 10, "namespaces to spread the Services over")
	flag.StringVar(&o.prefix, "prefix", "load", "first part of every namespace's name")
	flag.BoolVar(&o.dualStack, "dual-stack", false, "make the Services with a ClusterIP dual stack")
	flag.StringVar(&o.ipBase, "cluster-ip-base", "", "number the ClusterIPs from here on (e.g. 10.100.0.0) instead of\n"+
		"having the API server choose them, which it does one at a time;\n"+
		"only for a cluster where no other Service got an address in that range")
	flag.StringVar(&o.ip6Base, "cluster-ip6-base", "", "the same for IPv6, with -dual-stack (e.g. fd00:10:96::1000)")
	flag.BoolVar(&o.hostnames, "hostnames", false, "give every headless endpoint a host name")
	flag.Float64Var(&o.qps, "qps", 0, "requests a second (0: no limit)")
	flag.IntVar(&o.workers, "workers", 32, "requests under way at a time")
	flag.BoolVar(&o.remove, "delete", false, "delete what was made instead, and wait until it is gone")
	flag.BoolVar(&o.json, "json", false, "print the timings as JSON objects, one a line")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.namespaces < 1 || o.workers < 1 || o.sliceSize < 1 || o.sliceSize > 1000 {
		return errors.New("-namespaces and -workers must be at least 1, -slice-size from 1 to 1000")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("read -kubeconfig %s: %w", o.kubeconfig, err)
	}
	cfg.QPS, cfg.Burst = float32(o.qps), int(o.qps)
	if o.qps <= 0 {
		cfg.QPS = -1
	}
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cs, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("use -kubeconfig %s: %w", o.kubeconfig, err)
	}
	l := &loader{options: o, cs: cs}
	if o.remove {
		return l.deleteAll(ctx)
	}
	return l.fill(ctx)
}
