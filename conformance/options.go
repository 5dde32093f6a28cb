package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

const usage = `Runs the conformance vectors of kube-dns against a DNS server for Kubernetes.

Usage:
  conformance -server ADDR [flags] [FILE ...]
  conformance -manifests DIR [flags] [FILE ...]

FILE is the name of a file of vectors such as 01-clusterip, its beginning (01), or a
path that ends in .yaml. The default is all of internal/conformance/testdata.

The server must serve a cluster with the objects of the vectors. -manifests writes them, to
be applied before. With -kubectl they are applied and deleted as needed, and vectors about
changes are run too. Exit code 0: all replies were right; 1: some were wrong; 2: wrong usage.

Examples:
  go run ./conformance -manifests out && kubectl apply -f out
  go run ./conformance -server 10.96.0.10:53
  go run ./conformance -server 10.96.0.10:53 -kubectl kubectl 11-changes
  go run ./conformance -server 127.0.0.1:10053 -resolver 127.0.0.1:5300 -run 'CNAME'

Flags:
`

// options are the values of the command line.
type options struct {
	server, zone, resolver string
	manifests              string
	kubectl                []string
	configDir              string
	endpoints              conformance.EndpointsMode
	features               []string
	only                   *regexp.Regexp
	settle, patience       time.Duration
	verbose                bool
	files                  []string
}

var endpointsModes = map[string]conformance.EndpointsMode{
	"endpoints": conformance.EndpointsAsIs,
	"slices":    conformance.EndpointsAsSlices,
	"both":      conformance.EndpointsAndSlices,
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{endpoints: conformance.EndpointsAsIs}
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	o.serverFlags(fs)
	o.runFlags(fs)
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	o.files = fs.Args()
	if (o.server == "") == (o.manifests == "") {
		return options{}, errors.New("give either -server or -manifests (-h lists all flags)")
	}
	return o, nil
}

// serverFlags are about the server and its cluster.
func (o *options) serverFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.server, "server", "", "`address` (ip:port) of the server, UDP and TCP")
	fs.StringVar(&o.zone, "zone", "cluster.local", "`zone` of the cluster")
	fs.StringVar(&o.resolver, "resolver", "",
		"`address` (ip:port) on which names outside the cluster are served meanwhile;\n"+
			"the server must forward to it. Without it, vectors that need it are skipped")
	fs.Func("kubectl", "`command` that applies and deletes manifests, with arguments, for example\n"+
		"'kubectl --context=kind'. It is run with apply -f - and delete --ignore-not-found -f -",
		func(text string) error {
			o.kubectl = strings.Fields(text)
			return nil
		})
	fs.StringVar(&o.configDir, "config-dir", "",
		"`directory` from which the server reads its configuration, as kube-dns --config-dir does;\n"+
			"without it, vectors about the configuration are skipped")
	fs.Func("endpoints", "write Endpoints as `endpoints`, slices or both (default endpoints;\n"+
		"a cluster mirrors them as slices)", func(text string) error {
		mode, ok := endpointsModes[text]
		if !ok {
			return errors.New("must be endpoints, slices or both")
		}
		o.endpoints = mode
		return nil
	})
	o.features = []string{conformance.FeatureDualStack, conformance.FeatureEndpointSlices, conformance.FeatureDnsmasq}
	fs.Func("features", "`features` of cluster and server (default "+strings.Join(o.features, ",")+")",
		func(text string) error {
			o.features = strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
			return nil
		})
}

// runFlags are about this run.
func (o *options) runFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.manifests, "manifests", "",
		"write the objects of the vectors to this `directory`, one file each, and exit")
	fs.Func("run", "run only queries whose FILE/STEP/ID/NAME/TYPE matches this regular `expression`",
		func(text string) (err error) {
			o.only, err = regexp.Compile(text)
			return err
		})
	fs.DurationVar(&o.settle, "settle", time.Second, "`time` between a change and its queries")
	fs.DurationVar(&o.patience, "patience", 5*time.Second, "`time` in which a wrong reply is asked for again")
	fs.BoolVar(&o.verbose, "v", false, "print each query")
}
