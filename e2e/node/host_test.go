//go:build node

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// containers lists the running containers of kube-dns, "pod/container" to ID.
func (c *cluster) containers(t *testing.T) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, p := range c.dnsPods(t) {
		for _, s := range p.Status.ContainerStatuses {
			ids[p.Name+"/"+s.Name] = s.ContainerID
		}
	}
	return ids
}

func sameContainers(before, after map[string]string) error {
	for name, id := range before {
		if after[name] != id {
			return fmt.Errorf("%s was container %s and is %s", name, id, after[name])
		}
	}
	return nil
}

// process returns the process of that name in a pod, with its PID on this machine.
func process(p *corev1.Pod, name string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	var pids []int
	for _, file := range files {
		dir := filepath.Dir(file)
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), "pod"+string(p.UID)) {
			continue // exited, or not of the pod
		}
		comm, err := os.ReadFile(dir + "/comm")
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("pod %s has no process %s", p.Name, name)
	}
	return slices.Min(pids), nil // dnsmasq forks for TCP: use the first
}

// signal sends a signal to a process in a pod.
func signal(t *testing.T, p *corev1.Pod, name string, s syscall.Signal) {
	t.Helper()
	pid, err := process(p, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("send %v to %s in pod %s: %v", s, name, p.Name, err)
	}
}

// cgroupFile reads a number of the memory cgroup of a process, from the first existing name:
// versions 1 and 2 of cgroups have different names.
func cgroupFile(pid int, names ...string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		// number:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || (f[1] != "memory" && f[1] != "") {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
			for _, name := range names {
				if b, err := os.ReadFile(root + f[2] + "/" + name); err == nil {
					return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
				}
			}
		}
	}
	return 0, fmt.Errorf("process %d has none of %q in its memory cgroup", pid, names)
}

// wantLine looks for a line with all of the texts.
func wantLine(text string, all ...string) error {
lines:
	for line := range strings.Lines(text) {
		for _, s := range all {
			if !strings.Contains(line, s) {
				continue lines
			}
		}
		return nil
	}
	return fmt.Errorf("no line has all of %q", all)
}
