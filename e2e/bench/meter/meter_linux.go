// Package meter reads the processor time and memory of processes from /proc.
package meter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// CPU returns the processor time in seconds of a process and its descendants, with the scheduler's
// nanosecond precision. Exited children count in ticks of 10 ms, and exited threads do not count.
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

// Memory is the memory of a process and its children in MiB. Shared pages count once.
type Memory struct {
	RSS  float64 // current
	Peak float64 // maximum of RSS; for several processes, the sum of their maxima
}

// MemoryOf reads the memory of a process.
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

// fields returns the lines "Name: 123 kB" of a file, in MiB.
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

// Busy returns the time in seconds since boot in which a core was not idle.
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

// Load returns the machine's load average of the last minute.
func Load() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); len(f) > 0 {
		return number(f[0])
	}
	return 0
}

// Processor returns the model name in /proc/cpuinfo.
func Processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Kernel returns the kernel's release.
func Kernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(b))
}

// family returns the process and all its descendants.
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

// stat returns the fields after the command's name, which can have blanks. The first is number 0.
func stat(path string) []string {
	b, _ := os.ReadFile(path)
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
