// Package report holds the benchmark's results and writes tables, charts and the page
// docs/performance.md.
package report

import (
	"encoding/json"
	"os"
	"slices"
	"time"
)

// Results of one run of the benchmark.
type Results struct {
	Machine Machine
	// Turns of each server, and seconds of each measurement.
	Turns   int
	Seconds float64
	Sets    []*Set
	Grow    []GrowPoint   `json:",omitempty"`
	Updates []UpdatePoint `json:",omitempty"`
}

// Machine describes the machine and the measured programs.
type Machine struct {
	Processor, Kernel, Go string
	Cores                 int
	Commit                string
	Start, End            time.Time
	// Load is the machine's load average, read before each visit.
	Load []float64
	// Versions of the other servers by program.
	Versions map[string]string
	// Binaries are the sizes of kube-dns's programs in MiB.
	Binaries map[string]float64
}

// Set is one data set and its measurements.
type Set struct {
	Name                string
	Services, Endpoints int
	// Mixes in the order sent.
	Mixes []Mix
	// Peers by name.
	Peers map[string]*Peer
}

// Mix names a list of queries.
type Mix struct{ Name, Title string }

// Peer has the measurements of one server. Each list has one value for each turn.
type Peer struct {
	Mixes   map[string][]MixRun
	Latency map[string][]Latency
	Memory  []Memory
	// StartMs is the time from exec until all probes first succeed, StartCPU the processor seconds
	// until then.
	StartMs, StartCPU []float64
	// ChangeMs is the time from a Service's watch event to the first correct reply, SendMs from the
	// request that created the Service.
	ChangeMs, SendMs []float64
	// UpdateMs is the processor time in ms of one changed EndpointSlice, and UpdateRate the updates
	// per second.
	UpdateMs, UpdateRate []float64
}

// MixRun is one run of a mix.
type MixRun struct {
	// CPU seconds per million replies, in total and by process.
	CPU       float64
	ByProcess map[string]float64 `json:",omitempty"`
	QPS       float64
	Lost      int
	// Busy is the server's share of its core, Other the share of other processes.
	Busy, Other float64
	// Rcodes counts replies, Empty those of NOERROR without records.
	Rcodes           map[string]int
	Empty, Truncated int
	AnswerBytes      float64
}

// Latency of one paced run in microseconds.
type Latency struct {
	Rate                float64
	P50, P90, P99, P999 float64
	Lost                int
}

// Memory in MiB, of all processes of a server, and of each.
type Memory struct {
	AfterSync, Peak, AfterMixes float64
	ByProcess                   map[string]float64 // after the mixes
}

// GrowPoint is the measurement of only kube-dns at one cluster size.
type GrowPoint struct {
	// Series is the growing part: "services" or "endpoints".
	Series              string
	Services, Endpoints int
	RSS, Peak, Heap     float64 // MiB
	StartMs, StartCPU   float64
	// UpdateMs is the processor time of one changed slice of 50 endpoints.
	UpdateMs []float64
}

// UpdatePoint is the processor time of one changed slice by the number of
// endpoints of its Service.
type UpdatePoint struct {
	Endpoints, SliceSize int
	UpdateMs             []float64
}

// Set returns the set of that name, or nil.
func (r *Results) Set(name string) *Set {
	for _, s := range r.Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Write writes the results as JSON.
func (r *Results) Write(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Read reads the results of Write.
func Read(path string) (*Results, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Results{}
	return r, json.Unmarshal(b, r)
}

// Median returns the median of values, or 0 without values.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// medianOf returns the median of one figure of all items.
func medianOf[T any](items []T, figure func(T) float64) float64 {
	var v []float64
	for _, i := range items {
		v = append(v, figure(i))
	}
	return Median(v)
}
