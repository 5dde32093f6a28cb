package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// Stub domains and upstream nameservers change under load, also to servers over TLS. No query is
// lost over UDP or TCP: each gets the right reply. The next change starts when the last servers are
// in use.
func TestLeanChangesLoseNothing(t *testing.T) {
	w := startChangingWorld(t)
	k, _ := startLean(t, rig.cluster.kubeDNSIdentity(t, true, false), w.config("one", ""), "SSL_CERT_FILE="+w.roots)
	k.waitReady(t, 30*time.Second)
	load := startMixedLoad(t, k.dns)
	for range 3 {
		for _, step := range []struct{ upstream, stub string }{
			{"one", ""}, {"one", "stub"}, {"two", "stub"}, {"two", "other stub"}, {"TLS", "other stub"}, {"TLS", "TLS stub"},
			{"two", "TLS stub"}, {"TLS", ""}, {"TLS", "one"},
		} {
			if err := k.config.set(w.config(step.upstream, step.stub)); err != nil {
				t.Fatal(err)
			}
			stub := step.stub
			if stub == "" {
				stub = step.upstream
			}
			w.waitInUse(t, "outside.example", step.upstream)
			w.waitInUse(t, "partner.example", stub)
			load.waitMore(t)
		}
	}
	// Impossible servers over TLS are refused by key and value, and the last servers remain.
	for _, bad := range []struct{ key, value, server string }{
		{"upstreamNameservers", `["tls://dns.example.com"]`, "tls://dns.example.com"},
		{"stubDomains", `{"partner.example": ["tls://192.0.2.1#a_b"]}`, "tls://192.0.2.1#a_b"},
	} {
		config := w.config("two", "stub")
		config[bad.key] = bad.value
		if err := k.config.set(config); err != nil {
			t.Fatal(err)
		}
		waitRefused(t, k.process, bad.key, bad.server)
		w.waitInUse(t, "outside.example", "TLS")
		w.waitInUse(t, "partner.example", "one")
		load.waitMore(t)
	}
	load.finish(t)
}

// waitRefused waits for the log line of a refused configuration.
func waitRefused(t *testing.T, p *process, key, server string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		log, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "configuration refused, the one in use stays") &&
				strings.Contains(line, `key="`+key+`"`) &&
				strings.Contains(line, server) {
				return nil
			}
		}
		return fmt.Errorf("no log line refuses %s in %s", server, key)
	})
}

// A changingWorld has name servers with the same names: <anything>.<domain>.
type changingWorld struct {
	roots string // the file with the certificates of servers over TLS
	// servers are in the form of the configuration.
	servers map[string]string
	queries map[string]*atomic.Int64 // by domain and server
}

var changingDomains = map[string]string{"outside.example": "203.0.113.91", "partner.example": "203.0.113.92"}

func startChangingWorld(t *testing.T) *changingWorld {
	t.Helper()
	w := &changingWorld{
		roots: filepath.Join(t.TempDir(), "roots.pem"), servers: map[string]string{}, queries: map[string]*atomic.Int64{},
	}
	for _, name := range []string{"one", "two", "stub", "other stub"} {
		w.servers[name] = dnstest.NewServer(t, w.handler(name)).Addr()
	}
	var roots []byte
	for _, name := range []string{"TLS", "TLS stub"} {
		server, root := dnstest.NewTLSServer(t, "dns.example.com", w.handler(name))
		w.servers[name] = "tls://" + server.Addr()
		roots = append(roots, root...)
	}
	w.servers["TLS stub"] += "#dns.example.com"
	if err := os.WriteFile(w.roots, roots, 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

// handler returns a slow server, so that queries are pending at each change.
func (w *changingWorld) handler(server string) dns.HandlerFunc {
	counts := map[string]*atomic.Int64{}
	for domain := range changingDomains {
		counts[domain] = new(atomic.Int64)
		w.queries[domain+" at "+server] = counts[domain]
	}
	return func(rw dns.ResponseWriter, query *dns.Msg) {
		time.Sleep(20 * time.Millisecond)
		reply := new(dns.Msg).SetRcode(query, dns.RcodeNameError)
		name := query.Question[0].Name
		_, domain, _ := strings.Cut(strings.TrimSuffix(strings.ToLower(name), "."), ".")
		if count := counts[domain]; count != nil {
			count.Add(1)
			reply.Rcode = dns.RcodeSuccess
			rr, err := dns.NewRR(name + " 60 IN A " + changingDomains[domain])
			if err != nil {
				return
			}
			reply.Answer = []dns.RR{rr}
		}
		_ = rw.WriteMsg(reply) // the client might be gone
	}
}

// config is the ConfigMap with an upstream, and with a server for partner.example unless empty.
func (w *changingWorld) config(upstream, stub string) map[string]string {
	config := map[string]string{"upstreamNameservers": `["` + w.servers[upstream] + `"]`}
	if stub != "" {
		config["stubDomains"] = `{"partner.example": ["` + w.servers[stub] + `"]}`
	}
	return config
}

// waitInUse waits until a server gets queries for a domain and no other server does.
func (w *changingWorld) waitInUse(t *testing.T, domain, server string) {
	t.Helper()
	count := func(other bool) (n int64) {
		for key, queries := range w.queries {
			if of, at, _ := strings.Cut(key, " at "); of == domain && (at != server) == other {
				n += queries.Load()
			}
		}
		return n
	}
	eventually(t, time.Minute, func() error {
		there, elsewhere := count(false), count(true)
		time.Sleep(50 * time.Millisecond)
		if count(false) == there || count(true) != elsewhere {
			return fmt.Errorf("%s is not at %s alone", domain, server)
		}
		return nil
	})
}

// A mixedLoad queries a server for cluster names, outside names and a stub domain, over UDP and
// TCP, until finish is called. Each client sends its next query after each reply.
type mixedLoad struct {
	stop  func() // returns after all replies
	ended chan struct{}
	wait  sync.WaitGroup

	mu     sync.Mutex
	right  map[string]int // by transport and domain
	wrong  []string
	number atomic.Int64
}

func startMixedLoad(t *testing.T, server string) *mixedLoad {
	t.Helper()
	l := &mixedLoad{ended: make(chan struct{}), right: map[string]int{}}
	l.stop = sync.OnceFunc(func() { close(l.ended); l.wait.Wait() })
	t.Cleanup(l.stop)
	names := map[string]string{"svc.cluster.local": "10.96.0.1"}
	maps.Copy(names, changingDomains)
	for domain, addr := range names {
		for _, tcp := range []bool{false, true} {
			kind := fmt.Sprintf("%s, TCP %v", domain, tcp)
			l.right[kind] = 0
			for client := range 4 {
				l.wait.Go(func() { l.ask(server, kind, domain, addr, tcp, client) })
			}
		}
	}
	return l
}

// ask queries a new name each time, or a cached name.
func (l *mixedLoad) ask(server, kind, domain, addr string, tcp bool, client int) {
	for {
		select {
		case <-l.ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
		name := "kubernetes.default." + domain
		if domain != "svc.cluster.local" {
			name = fmt.Sprintf("n%d.%s", l.number.Add(1), domain)
			if client == 0 {
				name = "again." + domain
			}
		}
		err := wantAnswer(server, question{name: name, qtype: dns.TypeA, tcp: tcp, plain: client == 1}, dns.RcodeSuccess,
			"A "+addr)
		l.mu.Lock()
		if err == nil {
			l.right[kind]++
		} else {
			l.wrong = append(l.wrong, fmt.Sprintf("%s: %v", kind, err))
		}
		l.mu.Unlock()
	}
}

// waitMore waits for more right replies of each kind.
func (l *mixedLoad) waitMore(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	before := maps.Clone(l.right)
	l.mu.Unlock()
	eventually(t, time.Minute, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for kind, n := range l.right {
			if n < before[kind]+10 {
				return fmt.Errorf("%s: %d right replies, %d before", kind, n, before[kind])
			}
		}
		return nil
	})
}

// finish stops the load, and fails the test for each lost query.
func (l *mixedLoad) finish(t *testing.T) {
	t.Helper()
	l.stop()
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(l.right)) {
		t.Logf("%6d right replies: %s", l.right[kind], kind)
		total += l.right[kind]
	}
	if n := len(l.wrong); n > 0 {
		t.Errorf("%d of %d queries lost:\n%s", n, n+total, strings.Join(l.wrong[:min(n, 20)], "\n"))
	}
}
