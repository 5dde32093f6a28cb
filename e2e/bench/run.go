package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/kubeapi"
	"github.com/kube-dns/kube-dns/e2e/bench/loadgen"
	"github.com/kube-dns/kube-dns/e2e/bench/meter"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
	"github.com/kube-dns/kube-dns/e2e/bench/report"
)

type options struct {
	sets, peers, mixes, phases string
	turns                      int
	seconds, settle, scale     float64
	core, clientCore           int
	out, cluster, commit       string
	bin                        map[string]string
	versions                   map[string]string
}

// run runs the benchmark. It writes its results after every step, so that an interrupted run keeps
// them.
func run(ctx context.Context, args []string) error {
	o := options{bin: map[string]string{}, versions: map[string]string{}}
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.StringVar(&o.sets, "sets", "small,large", "data sets")
	f.StringVar(&o.peers, "peers", "", "servers, separated by commas; empty: all that -bin has programs for")
	f.StringVar(&o.mixes, "mixes", "", "mixes, separated by commas; empty: all")
	f.StringVar(&o.phases, "phases", "mixes,changes,grow", "what to measure")
	f.IntVar(&o.turns, "turns", 3, "turns of each server")
	f.Float64Var(&o.seconds, "seconds", 1.5, "length of one measurement")
	f.Float64Var(&o.settle, "settle", 5, "seconds between a server's first right answers and the reading of its memory")
	f.Float64Var(&o.scale, "grow-scale", 1, "part of its size that the growing cluster reaches")
	f.IntVar(&o.core, "core", 0, "core of the servers")
	f.IntVar(&o.clientCore, "client-core", 1, "core of everything else")
	f.StringVar(&o.out, "out", "out", "directory for results, questions and logs")
	f.StringVar(&o.cluster, "cluster", "./cluster.sh", "script that brings up a cluster with a data set")
	f.StringVar(&o.commit, "commit", "", "what is measured, for the report")
	f.Func("bin", "program, as name=path; may be repeated", pair(o.bin))
	f.Func("version", "its version, as name=version; may be repeated", pair(o.versions))
	if err := f.Parse(args); err != nil {
		return err
	}
	b := &bench{options: o, progress: &progress{start: time.Now()}}
	return b.run(ctx)
}

func pair(into map[string]string) func(string) error {
	return func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want name=value")
		}
		into[name] = value
		return nil
	}
}

type bench struct {
	options
	*progress
	results report.Results
}

func (b *bench) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.bin["bench"] = self
	if b.out, err = filepath.Abs(b.out); err != nil {
		return err
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	b.results = report.Results{Turns: b.turns, Seconds: b.seconds, Machine: report.Machine{
		Processor: meter.Processor(), Kernel: meter.Kernel(), Go: runtime.Version(), Cores: runtime.NumCPU(),
		Commit: b.commit, Binaries: sizesOf(b.bin), Start: time.Now().UTC().Truncate(time.Second), Versions: b.versions,
	}}
	b.estimate(b.plan())
	for name := range strings.SplitSeq(b.sets, ",") {
		if name == "" {
			continue
		}
		set, err := dataset.ByName(name)
		if err != nil {
			return err
		}
		if err := b.measureSet(ctx, set); err != nil {
			return err
		}
	}
	if b.has("grow") {
		if err := b.grow(ctx); err != nil {
			return err
		}
	}
	fmt.Print(report.Text(&b.results))
	return nil
}

func (b *bench) has(phase string) bool { return listed(b.phases, phase) }

// listed reports whether a list has an item. An empty list has every item.
func listed(list, item string) bool {
	return list == "" || strings.Contains(","+list+",", ","+item+",")
}

func (b *bench) save() error {
	b.results.Machine.End = time.Now().UTC().Truncate(time.Second)
	return b.results.Write(filepath.Join(b.out, "results.json"))
}

// chosen returns the peers to measure.
func (b *bench) chosen() []peer.Peer {
	var out []peer.Peer
	for _, p := range peer.All() {
		if listed(b.peers, p.Name) && p.Missing(b.bin) == "" {
			out = append(out, p)
		}
	}
	return out
}

// setup is a data set during its measurement.
type setup struct {
	dataset.Set
	mixes      []dataset.Mix
	kubeconfig string
	api        *kubeapi.Client
	results    *report.Set
}

func (b *bench) measureSet(ctx context.Context, set dataset.Set) error {
	kubeconfig, down, err := b.clusterUp(ctx, set.Name, set.LoadArgs())
	if err != nil {
		return err
	}
	defer down()
	api, err := kubeapi.New(kubeconfig)
	if err != nil {
		return err
	}
	s := &setup{Set: set, kubeconfig: kubeconfig, api: api, results: &report.Set{
		Name: set.Name, Services: set.Services, Endpoints: set.Endpoints(), Peers: map[string]*report.Peer{},
	}}
	b.results.Sets = append(b.results.Sets, s.results)
	for _, m := range set.Mixes() {
		if listed(b.mixes, m.Name) {
			s.mixes = append(s.mixes, m)
			s.results.Mixes = append(s.results.Mixes, report.Mix{Name: m.Name, Title: m.Title})
		}
	}
	if err := b.prepare(ctx, s); err != nil {
		return err
	}
	if b.has("mixes") {
		if err := b.visits(ctx, s); err != nil {
			return err
		}
	}
	if b.has("changes") {
		return b.changes(ctx, s)
	}
	return nil
}

// visits runs the turns of all servers. Each turn starts with another server.
func (b *bench) visits(ctx context.Context, s *setup) error {
	peers := b.chosen()
	for turn := range b.turns {
		for i := range peers {
			p := peers[(i+turn)%len(peers)]
			b.step("%s, turn %d of %d: %s", s.Name, turn+1, b.turns, p.Title)
			if err := b.visit(ctx, s, p); err != nil {
				return fmt.Errorf("%s, %s: %w", s.Name, p.Name, err)
			}
			if err := b.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *setup) peer(name string) *report.Peer {
	if s.results.Peers[name] == nil {
		s.results.Peers[name] = &report.Peer{Mixes: map[string][]report.MixRun{},
			Latency: map[string][]report.Latency{}}
	}
	return s.results.Peers[name]
}

// prepare writes the questions, and the sizes of kube-dns's replies.
func (b *bench) prepare(ctx context.Context, s *setup) error {
	var ours peer.Peer
	for _, p := range peer.All() {
		if p.Name == "kube-dns" {
			ours = p
		}
	}
	b.step("%s: questions, and how large our answers are", s.Name)
	r, _, err := b.start(ctx, s, ours)
	if err != nil {
		return err
	}
	defer r.Stop()
	for _, m := range s.mixes {
		if err := dataset.WriteQuestions(b.questions(s, m), m.Questions); err != nil {
			return err
		}
		if m.TCP {
			continue
		}
		packets, err := loadgen.Pack(m.Questions, m.EDNS)
		if err != nil {
			return err
		}
		sizes, err := loadgen.Sizes(r.Address, packets)
		if err != nil {
			return fmt.Errorf("mix %s: %w", m.Name, err)
		}
		text, err := json.Marshal(sizes)
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.sizes(s, m), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) questions(s *setup, m dataset.Mix) string {
	return filepath.Join(b.out, s.Name+"-"+m.Name+".txt")
}

func (b *bench) sizes(s *setup, m dataset.Mix) string {
	return filepath.Join(b.out, s.Name+"-"+m.Name+".sizes.json")
}

// sizesOf returns the sizes of the product's programs, in MiB.
func sizesOf(bin map[string]string) map[string]float64 {
	out := map[string]float64{}
	for _, name := range []string{"kube-dns", "dnsmasq-nanny", "sidecar"} {
		if info, err := os.Stat(bin[name]); err == nil {
			out[name] = float64(info.Size()) / (1 << 20)
		}
	}
	return out
}
