//go:build chaos

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A pod is the three processes of the manifests, with their flags. Differences: loopback ports, a
// kubeconfig instead of the pod's token, a check of the configuration each 200 ms instead of 10 s,
// and shorter drain times.
type pod struct {
	opts                    podOptions
	kubeDNS, nanny, sidecar *process
	// dns is the address of the Service; back is that of kube-dns.
	dns, back string
	// status and probes are the URLs of kube-dns and of the sidecar.
	status, probes string
	config         *configDir
	dir            string // for state and snapshot
	proxy          *filterProxy
	kubeDNSFlags   []string
}

// podOptions are further differences from the manifests.
type podOptions struct {
	// config of the ConfigMap.
	config map[string]string
	// more flags and dnsmasq arguments.
	kubeDNS, nanny, dnsmasq, sidecar []string
	// wrap is the name of a script in the directory of the commands that wraps a command; empty:
	// none.
	wrap string
	// user is the user of dnsmasq. Empty: that of the test.
	user string
	// state is the directory for dnsmasq's state. Empty: its own.
	state string
	// apart starts the pod without access to the API server.
	apart bool
	// period is the interval at which the configuration is read. Zero: 200 ms.
	period time.Duration
}

// startPod starts a pod and waits until it answers all kinds of questions.
func (c *chaos) startPod(t *testing.T, opts podOptions) *pod {
	t.Helper()
	p := &pod{opts: opts, config: newConfigDir(t, opts.config), dir: stateDir(t), proxy: startFilterProxy(t, c.id)}
	if p.opts.state == "" {
		p.opts.state = filepath.Join(p.dir, "nanny")
	}
	if p.opts.period == 0 {
		p.opts.period = 200 * time.Millisecond
	}
	kubeconfig := p.proxy.identity().write(t)
	if opts.apart {
		p.proxy.down(t)
	}
	port, back, status, probes := freePort(t), freePort(t), freePort(t), freePort(t)
	p.dns, p.back = fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", back)
	p.status, p.probes = fmt.Sprintf("http://127.0.0.1:%d", status), fmt.Sprintf("http://127.0.0.1:%d", probes)
	p.kubeDNSFlags = append([]string{
		"--domain=cluster.local.", "--dns-port=" + strconv.Itoa(back), "--config-dir=" + p.config.dir, "--v=2",
		"--dns-bind-address=127.0.0.1", "--healthz-port=" + strconv.Itoa(status), "--kubecfg-file=" + kubeconfig,
		"--config-period=" + p.opts.period.String(), "--lameduck=8s",
	}, opts.kubeDNS...)
	p.startKubeDNS(t)
	p.startNanny(t, port, back)
	p.sidecar = start(t, "sidecar", nil, append([]string{
		"--v=2", "--probe=kubedns," + p.back + ",kubernetes.default.svc.cluster.local,5,SRV",
		"--probe=dnsmasq," + p.dns + ",kubernetes.default.svc.cluster.local,5,SRV",
		"--dnsmasq-port=" + strconv.Itoa(port), "--prometheus-addr=127.0.0.1", "--prometheus-port=" + strconv.Itoa(probes),
		"--lameduck=8s",
	}, opts.sidecar...)...)
	c.waitPod(t, p)
	return p
}

func (p *pod) startKubeDNS(t *testing.T) {
	t.Helper()
	p.kubeDNS = start(t, p.opts.wrap+"kube-dns", nil, p.kubeDNSFlags...)
}

func (p *pod) startNanny(t *testing.T, port, back int) {
	t.Helper()
	args := append([]string{
		"-v=2", "-configDir=" + p.config.dir, "-restartDnsmasq=true",
		"-syncInterval=" + p.opts.period.String(), "-kubednsServer=" + p.back, "-stateDir=" + p.opts.state, "-lameduck=5s",
	}, p.opts.nanny...)
	behind := "127.0.0.1#" + strconv.Itoa(back)
	args = append(args, "--",
		"-k", "--cache-size=1000", "--no-negcache", "--dns-loop-detect", "--log-facility=-",
		"--server=/cluster.local/"+behind, "--server=/in-addr.arpa/"+behind, "--server=/ip6.arpa/"+behind,
		"--port="+strconv.Itoa(port), "--listen-address=127.0.0.1", "--bind-interfaces",
		"--user="+cmp.Or(p.opts.user, userName()), "--pid-file=", "--no-hosts")
	p.nanny = start(t, p.opts.wrap+"dnsmasq-nanny", nil,
		slices.Concat(args, p.opts.dnsmasq, strings.Fields(*dnsmasqArgs))...)
}

// waitPod waits until a pod answers.
func (c *chaos) waitPod(t *testing.T, p *pod) {
	t.Helper()
	questions := []*asked{outsideQuestion(1), outsideQuestion(10)}
	if !p.opts.apart {
		questions = append(questions, c.cluster[classA][0], c.cluster[classSRV][0], c.cluster[classPTR][0])
		eventually(t, 30*time.Second, func() error {
			_, err := get(p.status+"/readiness", 200)
			return errors.Join(err, p.kubeDNS.running())
		})
	}
	for _, q := range questions {
		eventually(t, time.Minute, func() error {
			if err := p.nanny.running(); err != nil {
				return err
			}
			reply, err := exchange("udp", p.dns, q.name, q.qtype)
			if err != nil {
				return err
			}
			if out, why := q.judgeMsg(reply); out != right {
				return fmt.Errorf("%s: %v %s", q.name, out, why)
			}
			return nil
		})
	}
}

// warm queries all outside names once, so that dnsmasq has them.
func (p *pod) warm(t *testing.T) {
	t.Helper()
	var asking sync.WaitGroup
	for worker := range 50 {
		asking.Go(func() {
			for n := worker; n < outsideNames; n += 50 {
				if _, err := exchange("udp", p.dns, outsideQuestion(n).name, dns.TypeA); err != nil {
					t.Errorf("warm the cache: %v", err)
				}
			}
		})
	}
	asking.Wait()
}

// configure replaces the ConfigMap of a pod.
func (p *pod) configure(t *testing.T, files map[string]string) {
	t.Helper()
	if err := p.config.set(files); err != nil {
		t.Errorf("write the configuration: %v", err)
	}
}

// kill kills a process and waits for its exit.
func (p *process) kill() {
	p.stopping.Do(func() {
		_ = p.cmd.Process.Kill() // it might have exited
		<-p.ended
	})
}

// dnsmasqPID returns the process id of dnsmasq; zero when there is none.
func (p *pod) dnsmasqPID() int {
	for _, c := range childProcesses(p.nanny.cmd.Process.Pid) {
		if c.name == "dnsmasq" && c.state != "Z" {
			return c.pid
		}
	}
	return 0
}

// killDNSMasq kills only dnsmasq, not its forked children.
func (p *pod) killDNSMasq(t *testing.T) {
	t.Helper()
	pid := p.dnsmasqPID()
	if pid == 0 {
		t.Error("there is no dnsmasq to kill")
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill dnsmasq: %v", err)
	}
}

// wrapper writes a script that runs kube-dns or the nanny after some commands, in its own mount
// namespace. It returns the prefix that names the script.
func wrapper(t *testing.T, name string, commands ...string) string {
	t.Helper()
	for _, command := range []string{"kube-dns", "dnsmasq-nanny"} {
		script := "#!/bin/sh -e\n" + strings.Join(commands, "\n") + "\n" +
			`exec "$(dirname "$0")/` + command + `" "$@"` + "\n"
		file := filepath.Join(rig.dir, "bin", name+"."+command)
		outer := "#!/bin/sh -e\nexec unshare --mount --propagation private \"$0.inner\" \"$@\"\n"
		for path, text := range map[string]string{file: outer, file + ".inner": script} {
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return name + "."
}

// upstreams is a ConfigMap with these servers for the world.
func upstreams(servers ...*farServer) map[string]string {
	var list []string
	for _, s := range servers {
		list = append(list, strconv.Quote(s.addr.String()))
	}
	return map[string]string{"upstreamNameservers": "[" + strings.Join(list, ", ") + "]"}
}

// with is a ConfigMap with another key.
func with(config map[string]string, key, value string) map[string]string {
	next := map[string]string{key: value}
	for k, v := range config {
		if k != key {
			next[k] = v
		}
	}
	return next
}
