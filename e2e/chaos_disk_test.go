//go:build chaos

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// diskFull fills the directories for state and snapshot, or makes them read-only, from the start or
// later, and changes the configuration. The file with dnsmasq's servers is in /dev/shm then;
// without room there, each change restarts dnsmasq.
func (c *chaos) diskFull(t *testing.T) {
	if !c.root(t, "state directories that are full or read-only") {
		return
	}
	const (
		fill = "dd if=/dev/zero of=$DIR/fill bs=4k 2>/dev/null || true"
		// A second mount over the first, which can have open files.
		readOnly = "mount --bind $DIR $DIR && mount -o remount,bind,ro $DIR"
		memory   = "mount -t tmpfs -o size=32k,mode=1777 none /dev/shm"
	)
	for _, tt := range []struct {
		harm string
		// always, start and later are commands in the directory's mount namespace; the control run
		// has only the first.
		always, start, later string
		// fewLost: as for other changes of upstreams, queries pending at the removed server are
		// lost with its line.
		target target
	}{
		{"state directory full from the start, then 2 changes", "", fill, "", fewLost},
		{"state directory full later, then 2 changes", "", "", fill, fewLost},
		{"state directory read-only from the start, then 2 changes", "", readOnly, "", fewLost},
		{"state directory read-only later, then 2 changes", "", "", readOnly, fewLost},
		{"state directory and /dev/shm read-only from the start, then 2 changes", memory, readOnly +
			" && mount -o remount,ro /dev/shm", "", shortGap},
		{"state directory and /dev/shm full later, then 2 changes", memory, "", fill +
			"; dd if=/dev/zero of=/dev/shm/fill bs=4k 2>/dev/null || true", shortGap},
	} {
		t.Run(tt.harm, func(t *testing.T) {
			one, two := startFarServer(t, "127.0.0.1:0", farDelay), startFarServer(t, "127.0.0.1:0", farDelay)
			start := func(name, commands string) *pod {
				dir := stateDir(t)
				wrap := wrapper(t, name, "DIR="+dir, "mount -t tmpfs -o size=32k,mode=0755 none $DIR", "mkdir $DIR/nanny",
					tt.always, commands)
				p := c.startPod(t, podOptions{
					config: upstreams(one), wrap: wrap, state: filepath.Join(dir, "nanny"),
					kubeDNS: []string{"--snapshot=" + filepath.Join(dir, "snapshot.yaml")},
				})
				p.dir = dir
				p.warm(t)
				return p
			}
			p, control := start("small", tt.start), start("control", "")
			harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 14*time.Second, func() {
				if tt.later != "" {
					p.inNamespace(t, "DIR="+p.dir+"; "+tt.later)
				}
				// A change empties dnsmasq's cache, so the new server gets queries at once.
				p.configure(t, upstreams(two))
				time.Sleep(5 * time.Second)
				if two.queries.Load() == 0 {
					t.Error("the first change was not taken: the new upstream was never asked")
				}
				before := one.queries.Load()
				p.configure(t, upstreams(one))
				time.Sleep(5 * time.Second)
				if one.queries.Load() == before {
					t.Error("the second change was not taken: the new upstream was never asked")
				}
			})
			c.record(t, row{harm: tt.harm, scope: "all", target: tt.target, with: harmed.of(), without: undisturbed.of()},
				harmed, undisturbed)
			for _, proc := range []*process{p.kubeDNS, p.nanny} {
				if err := proc.running(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// inNamespace runs a command in the mount namespace of the pod's processes.
func (p *pod) inNamespace(t *testing.T, command string) {
	t.Helper()
	for _, proc := range []*process{p.kubeDNS, p.nanny} {
		mounts := fmt.Sprintf("--mount=/proc/%d/ns/mnt", proc.cmd.Process.Pid)
		out, err := exec.CommandContext(t.Context(), "nsenter", mounts, "sh", "-c", command).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", command, err, out)
		}
	}
}
