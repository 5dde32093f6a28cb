// Package meter reads what processes cost, from /proc.
package meter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// CPU is the processor time in seconds that a process, its children and
// theirs have had, to the nanosecond as the scheduler counts it. Children that
// are gone count in ticks of 10 ms, threads that are gone not at all.
func CPU(pid int) float64 {
	sum := 0.0
	for _, p := range family(pid) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p))
		for _, t := range tasks {
			b, _ := os.ReadFile(t)
			if f := strings.Fields(string(b)); len(f) > 0 {
				sum += number(f[0]) / 1e9
			}
		}
		if f := stat(fmt.Sprintf("/proc/%d/stat", p)); len(f) > 14 {
			sum += (number(f[13]) + number(f[14])) / 100
		}
	}
	return sum
}

// Split is the user and the system time of a process and its children in
// seconds, to 10 ms.
func Split(pid int) (user, system float64) {
	for _, p := range family(pid) {
		if f := stat(fmt.Sprintf("/proc/%d/stat", p)); len(f) > 14 {
			user += number(f[11]) / 100
			system += number(f[12]) / 100
		}
	}
	return user, system
}

// Memory is a process's memory in MiB, its children's included; what they
// share counts once.
type Memory struct {
	RSS  float64 // now
	Peak float64 // the most that RSS ever was; of several processes, their sum
}

// MemoryOf reads it.
func MemoryOf(pid int) Memory {
	var m Memory
	all := family(pid)
	for _, p := range all {
		status := fields(fmt.Sprintf("/proc/%d/status", p))
		m.Peak += status["VmHWM"]
		if len(all) > 1 {
			m.RSS += fields(fmt.Sprintf("/proc/%d/smaps_rollup", p))["Pss"]
		} else {
			m.RSS = status["VmRSS"]
		}
	}
	return m
}

// fields are the lines "Name: 123 kB" of a file, in MiB.
func fields(path string) map[string]float64 {
	out := map[string]float64{}
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if kb, ok := strings.CutSuffix(strings.TrimSpace(value), " kB"); ok {
			out[key] = number(strings.TrimSpace(kb)) / 1024
		}
	}
	return out
}

// Busy is the time in seconds that a core has not been idle since boot.
func Busy(core int) float64 {
	b, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != "cpu"+strconv.Itoa(core) {
			continue
		}
		sum := 0.0
		for i, v := range f[1:9] {
			if i != 3 && i != 4 { // idle, iowait
				sum += number(v)
			}
		}
		return sum / 100
	}
	return 0
}

// Load is the machine's load average of the last minute.
func Load() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); len(f) > 0 {
		return number(f[0])
	}
	return 0
}

// Processor is what /proc/cpuinfo calls it.
func Processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Kernel is the kernel's release.
func Kernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(b))
}

// family is the process and all its descendants.
func family(pid int) []int {
	out := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, family(n)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stat is the fields after the command's name, which may hold blanks: the
// first is number 0.
func stat(path string) []string {
	b, _ := os.ReadFile(path)
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
