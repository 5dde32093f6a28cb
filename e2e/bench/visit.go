package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/loadgen"
	"github.com/kube-dns/kube-dns/e2e/bench/meter"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
	"github.com/kube-dns/kube-dns/e2e/bench/report"
)

// visit is one turn of one server: start, memory, every mix, latency, memory.
func (b *bench) visit(ctx context.Context, s *setup, p peer.Peer) error {
	b.results.Machine.Load = append(b.results.Machine.Load, meter.Load())
	res := s.peer(p.Name)
	r, _, err := b.start(ctx, s, p)
	if err != nil {
		return err
	}
	defer r.Stop()
	if p.Follows {
		time.Sleep(time.Duration(b.settle * 1e9))
	}
	memory := sum(r.Memory())
	for _, m := range s.mixes {
		if !asks(p, m) {
			continue
		}
		run, err := b.measure(ctx, s, r, p, m)
		if err != nil {
			return fmt.Errorf("mix %s: %w", m.Name, err)
		}
		res.Mixes[m.Name] = append(res.Mixes[m.Name], run)
	}
	if err := b.extras(ctx, s, r, p, res); err != nil {
		return err
	}
	after := r.Memory()
	memory.AfterMixes = sum(after).AfterSync
	memory.ByProcess = map[string]float64{}
	for label, m := range after {
		memory.ByProcess[label] = m.RSS
	}
	if !p.Echo {
		res.Memory = append(res.Memory, memory)
	}
	return r.Alive()
}

func sum(processes map[string]meter.Memory) report.Memory {
	var m report.Memory
	for _, p := range processes {
		m.AfterSync += p.RSS
		m.Peak += p.Peak
	}
	return m
}

// asks reports whether a peer gets a mix. A pod gets those that show the total cost of its two
// servers, and echo has no TCP.
func asks(p peer.Peer, m dataset.Mix) bool {
	switch {
	case p.Echo:
		return !m.TCP
	case p.Pod:
		return m.Name == dataset.MixA || m.Name == dataset.MixNX || m.Name == dataset.MixReal || m.TCP
	default:
		return true
	}
}

// maxPace is the number of queries a second that the generator paces reliably, one by one. Above
// that it would measure itself.
const maxPace = 40_000

// extras measures the latency at half of the measured queries a second, but at most maxPace. It
// also measures mix A with dnsperf, as a second opinion.
func (b *bench) extras(ctx context.Context, s *setup, r *peer.Running, p peer.Peer, res *report.Peer) error {
	for _, m := range s.mixes {
		if p.Echo || m.Name != dataset.MixA && m.Name != dataset.MixReal {
			continue
		}
		runs := res.Mixes[m.Name]
		rate := min(max(int(runs[len(runs)-1].QPS/2), 1), maxPace)
		out, err := b.generator(ctx, s, r, m, "-rate", strconv.Itoa(rate), "-seconds", b.length(1))
		if err != nil {
			return err
		}
		res.Latency[m.Name] = append(res.Latency[m.Name], report.Latency{
			Rate: out.QPS(), P50: out.P50, P90: out.P90, P99: out.P99, P999: out.P999, Lost: out.Lost,
		})
		if m.Name == dataset.MixA && !p.Pod {
			run, err := b.timed(r, func() (loadgen.Result, error) { return b.dnsperf(ctx, s, r, m) })
			if err != nil {
				return err
			}
			res.Mixes[dnsperfMix] = append(res.Mixes[dnsperfMix], run)
		}
	}
	return nil
}

const dnsperfMix = "a-dnsperf"

// measure sends one mix, after a short warm-up.
func (b *bench) measure(ctx context.Context, s *setup, r *peer.Running, p peer.Peer, m dataset.Mix) (report.MixRun,
	error) {
	ask := func(share float64) (loadgen.Result, error) {
		args := []string{"-seconds", b.length(share)}
		if p.Echo {
			args = append(args, "-sizes", b.sizes(s, m))
		}
		return b.generator(ctx, s, r, m, args...)
	}
	if m.TCP {
		ask = func(float64) (loadgen.Result, error) { return b.dnsperf(ctx, s, r, m) }
	} else if _, err := ask(.3); err != nil {
		return report.MixRun{}, err
	}
	return b.timed(r, func() (loadgen.Result, error) { return ask(1) })
}

func (b *bench) length(share float64) string {
	return strconv.FormatFloat(b.seconds*share, 'f', 2, 64)
}

// timed divides the time of the server's processes and of its core by the replies.
func (b *bench) timed(r *peer.Running, ask func() (loadgen.Result, error)) (report.MixRun, error) {
	before, busy, began := r.CPU(), meter.Busy(b.core), time.Now()
	out, err := ask()
	if err != nil {
		return report.MixRun{}, err
	}
	wall := time.Since(began).Seconds()
	if out.Answered == 0 {
		return report.MixRun{}, fmt.Errorf("no answer to %d questions; logs are in %s", out.Sent, r.Dir)
	}
	run := report.MixRun{QPS: out.QPS(), Lost: out.Lost, Rcodes: map[string]int{}, Empty: out.Empty,
		Truncated: out.Truncated,
		ByProcess: map[string]float64{}, AnswerBytes: float64(out.Bytes) / float64(out.Answered)}
	total := 0.0
	for label, cpu := range r.CPU() {
		total += cpu - before[label]
		run.ByProcess[label] = (cpu - before[label]) / float64(out.Answered) * 1e6
	}
	run.CPU = total / float64(out.Answered) * 1e6
	run.Busy = total / wall
	run.Other = max(0, (meter.Busy(b.core)-busy)/wall-run.Busy)
	for code, n := range out.Rcodes {
		if n > 0 {
			run.Rcodes[dns.RcodeToString[code]] = n
		}
	}
	return run, r.Alive()
}

// generator runs this program's generator on the client's core.
func (b *bench) generator(ctx context.Context, s *setup, r *peer.Running, m dataset.Mix,
	args ...string) (loadgen.Result, error) {
	args = append([]string{"-c", strconv.Itoa(b.clientCore), b.bin["bench"], "gen", "-server", r.Address.String(),
		"-questions", b.questions(s, m), "-edns=" + strconv.FormatBool(m.EDNS)}, args...)
	cmd := exec.CommandContext(ctx, "taskset", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var res loadgen.Result
	if err != nil {
		return res, fmt.Errorf("bench gen: %w", err)
	}
	return res, json.Unmarshal(out, &res)
}

// dnsperf runs dnsperf, over TCP or UDP.
func (b *bench) dnsperf(ctx context.Context, s *setup, r *peer.Running, m dataset.Mix) (loadgen.Result, error) {
	args := []string{"-c", strconv.Itoa(b.clientCore), b.bin["dnsperf"], "-s", r.Address.Addr().String(),
		"-p", strconv.Itoa(int(r.Address.Port())), "-d", b.questions(s,
			m), "-T", "1", "-t", "2", "-l", strconv.Itoa(max(int(b.seconds+.5), 1))}
	if m.TCP {
		args = append(args, "-m", "tcp", "-c", "8", "-q", "64")
	} else {
		args = append(args, "-c", "16", "-q", "256")
	}
	out, err := exec.CommandContext(ctx, "taskset", args...).CombinedOutput()
	if err != nil {
		return loadgen.Result{}, fmt.Errorf("dnsperf: %w: %.300s", err, out)
	}
	return parseDnsperf(string(out)), nil
}

var (
	figures = regexp.MustCompile(`(?m)^\s*(Queries sent|Queries completed|Queries lost|Run time \(s\)):\s+([0-9.]+)`)
	rcodes  = regexp.MustCompile(`([A-Z]+) (\d+) \(`)
)

func parseDnsperf(text string) loadgen.Result {
	got := map[string]float64{}
	for _, m := range figures.FindAllStringSubmatch(text, -1) {
		got[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	res := loadgen.Result{Sent: int(got["Queries sent"]), Answered: int(got["Queries completed"]),
		Lost: int(got["Queries lost"]), Seconds: got["Run time (s)"]}
	for _, m := range rcodes.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[2])
		if code, ok := dns.StringToRcode[m[1]]; ok && code < len(res.Rcodes) {
			res.Rcodes[code] = n
		}
	}
	return res
}

// fresh creates an empty directory for a server's files.
func (b *bench) fresh(name string) string {
	dir := filepath.Join(b.out, "site", name)
	_ = os.RemoveAll(dir)
	return dir
}

// spent returns the processor time of all processes of a server.
func spent(r *peer.Running) float64 {
	total := 0.0
	for cpu := range maps.Values(r.CPU()) {
		total += cpu
	}
	return total
}
