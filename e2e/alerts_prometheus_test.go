//go:build chaos

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hurry divides all durations of the rules: [5m] becomes [15s], "for: 10m" becomes 30 s. Times of
// the commands themselves are not changed, for example 5 s between two probes.
const hurry = 20

var ruleDuration = regexp.MustCompile(`(\[|\bfor: )(\d+)(s|m|h)\b`)

// fewer are thresholds of rules that are also shorter, but by 6: the API server sends a bookmark
// each minute and closes a watch after 5 minutes.
var fewer = strings.NewReplacer(
	"last_event_timestamp_seconds > 900", "last_event_timestamp_seconds > 150",
	"watches_total[30m]) > 20", "watches_total[30m]) > 3",
)

// hurried returns the text of rules with shorter durations, for pods with other kube-dns ports than
// 10053.
func hurried(text string, ports []string) string {
	text = fewer.Replace(text)
	text = ruleDuration.ReplaceAllStringFunc(text, func(match string) string {
		parts := ruleDuration.FindStringSubmatch(match)
		n, _ := strconv.Atoi(parts[2]) // digits
		unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[parts[3]]
		return parts[1] + strconv.Itoa(max(1, int((time.Duration(n)*unit/hurry).Seconds()))) + "s"
	})
	return strings.ReplaceAll(text, "):10053", "):("+strings.Join(ports, "|")+")")
}

// A member is a pod with three processes that Prometheus scrapes.
type member struct {
	*pod
	name                   string
	kubeDNSPort, nannyPort int
	state                  string // directory of the snapshot
	baseFlags              []string
}

// startMember starts a pod with metrics ports, and its own options of nanny and sidecar.
func (c *chaos) startMember(t *testing.T, name string, opts podOptions) *member {
	t.Helper()
	m := &member{name: name, kubeDNSPort: freePort(t), nannyPort: freePort(t), state: stateDir(t)}
	t.Setenv("PROMETHEUS_PORT", strconv.Itoa(m.kubeDNSPort))
	opts.kubeDNS = []string{"--snapshot=" + filepath.Join(m.state, "snapshot.yaml"), "--initial-sync-timeout=3s"}
	opts.nanny = append(opts.nanny, "-httpAddr=127.0.0.1:"+strconv.Itoa(m.nannyPort))
	m.pod = c.startPod(t, opts)
	m.baseFlags = m.kubeDNSFlags
	return m
}

// restart kills kube-dns and starts it with more flags.
func (m *member) restart(t *testing.T, flags ...string) {
	t.Helper()
	m.kubeDNS.kill()
	t.Setenv("PROMETHEUS_PORT", strconv.Itoa(m.kubeDNSPort))
	m.kubeDNSFlags = slices.Concat(m.baseFlags, flags)
	m.startKubeDNS(t)
}

// backPort is the port of kube-dns.
func (m *member) backPort() string { return m.back[strings.LastIndexByte(m.back, ':')+1:] }

// A fleet is a set of pods and the Prometheus that scrapes them, once a second.
type fleet struct {
	members []*member
	caches  []*nodeCache
	url     string
	began   time.Time
}

// startFleet starts Prometheus with the rules of the repository.
func startFleet(t *testing.T, members []*member, caches ...*nodeCache) *fleet {
	t.Helper()
	dir := stateDir(t)
	writeRules(t, dir, members)
	config := prometheusConfig(members) + nodeCacheConfig(caches)
	f := &fleet{members: members, caches: caches, url: startPrometheus(t, dir, config), began: time.Now()}
	f.settle(t)
	return f
}

// startPrometheus starts Prometheus with a configuration in dir, and returns its URL.
func startPrometheus(t *testing.T, dir, config string, flags ...string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("there is no prometheus: install it (Debian: package prometheus): %v", err)
	}
	link := filepath.Join(rig.dir, "bin", "prometheus")
	if err := os.Symlink(program, link); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	listen := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	start(t, "prometheus", nil, append([]string{
		"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + listen,
		"--log.level=warn",
	}, flags...)...)
	return "http://" + listen
}

// settle waits until all targets have been scraped several times. The increase of a counter
// requires an earlier sample.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		up, err := f.query("min_over_time(up[4s]) == 1 and count_over_time(up[4s]) > 2")
		if want := 3*len(f.members) + len(f.caches); err == nil && len(up) != want {
			err = fmt.Errorf("got %d targets that are up, want %d", len(up), want)
		}
		return err
	})
}

func prometheusConfig(members []*member) string {
	var b strings.Builder
	b.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" +
		"rule_files: [rules/*.yaml]\nscrape_configs:\n  - job_name: kube-dns\n    static_configs:\n")
	for _, m := range members {
		for container, address := range map[string]string{
			"kubedns": fmt.Sprintf("127.0.0.1:%d", m.kubeDNSPort),
			"dnsmasq": fmt.Sprintf("127.0.0.1:%d", m.nannyPort),
			"sidecar": strings.TrimPrefix(m.probes, "http://"),
		} {
			fmt.Fprintf(&b, "      - {targets: [%q], labels: {namespace: kube-system, pod: %s, container: %s}}\n",
				address, m.name, container)
		}
	}
	return b.String()
}

// nodeCacheConfig is the job of the node caches.
func nodeCacheConfig(caches []*nodeCache) string {
	if len(caches) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("  - job_name: node-local-dns\n    static_configs:\n")
	for i, n := range caches {
		fmt.Fprintf(&b, "      - {targets: [%q], labels: {namespace: kube-system, pod: node-local-dns-%d}}\n",
			strings.TrimPrefix(n.metrics, "http://"), i)
	}
	return b.String()
}

// writeRules writes the rules of the repository, hurried.
func writeRules(t *testing.T, dir string, members []*member) {
	t.Helper()
	files, err := filepath.Glob("../monitoring/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("monitoring/rules: no file (%v)", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, m := range members {
		ports = append(ports, m.backPort())
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "rules", filepath.Base(file))
		if err := os.WriteFile(to, []byte(hurried(string(text), ports)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var alertName = regexp.MustCompile(`(?m)^ +- alert: (\S+)$`)

// alertNames returns the alerts of the rules.
func alertNames(t *testing.T) []string {
	t.Helper()
	var names []string
	files, err := filepath.Glob("../monitoring/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range alertName.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatal("monitoring/rules: no alert")
	}
	return names
}

// A sample is a series with its current value.
type sample struct {
	Metric map[string]string
	Value  [2]any // the time and, as text, the value
}

// samples returns the current series of a PromQL expression.
func (f *fleet) samples(expr string) ([]sample, error) {
	body, err := get(f.url+"/api/v1/query?query="+url.QueryEscape(expr), 200)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Data struct {
			Result []sample
		}
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		return nil, err
	}
	return reply.Data.Result, nil
}

// query returns the current label sets of a PromQL expression.
func (f *fleet) query(expr string) ([]map[string]string, error) {
	samples, err := f.samples(expr)
	var list []map[string]string
	for _, s := range samples {
		list = append(list, s.Metric)
	}
	return list, err
}

// firing returns the names of the firing alerts.
func (f *fleet) firing() ([]string, error) {
	return f.names(`ALERTS{alertstate="firing"}`)
}

// fired returns the names of all alerts since Prometheus started.
func (f *fleet) fired() ([]string, error) {
	seconds := int(time.Since(f.began).Seconds()) + 1
	return f.names(fmt.Sprintf(`count_over_time(ALERTS{alertstate="firing"}[%ds])`, seconds))
}

func (f *fleet) names(expr string) ([]string, error) {
	sets, err := f.query(expr)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, set := range sets {
		names = append(names, set["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
