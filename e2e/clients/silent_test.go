package clients

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// silentName exists in the node's search domain, and as an absolute name.
const silentName = "git.dev"

// A silentServer answers the names of TestSilent, and drops some queries.
type silentServer struct {
	drops atomic.Pointer[func(name string, qtype uint16) bool]
}

// dropping starts to drop queries.
func (s *silentServer) dropping(f func(name string, qtype uint16) bool) { s.drops.Store(&f) }

func (s *silentServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	if drops := s.drops.Load(); drops != nil && (*drops)(name, qtype) {
		return
	}
	m := new(dns.Msg).SetReply(q)
	m.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300}, Ns: ".", Mbox: ".", Minttl: 300,
	}}
	addr := ""
	switch name {
	case "git.dev.corp.example.":
		addr = gitAddr
	case "git.dev.":
		addr = gitAlone
	default:
		m.Rcode = dns.RcodeNameError
	}
	if addr != "" && qtype == dns.TypeA {
		// The TTL is short, so that the cache soon has only a stale reply.
		hdr := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}
		m.Answer, m.Ns = []dns.RR{&dns.A{Hdr: hdr, A: netip.MustParseAddr(addr).AsSlice()}}, nil
	}
	_ = w.WriteMsg(m)
}

// A silence is the set of queries without a reply.
type silence struct {
	name string
	// begin makes upstreams silent. The server's cache is empty before.
	begin func(t *testing.T, server string, one, two *silentServer)
	// finds has the address that each client finds. For all other clients the look-up fails.
	finds map[string]string
}

var silences = []silence{
	{name: "both upstreams", begin: func(_ *testing.T, _ string, one, two *silentServer) {
		one.dropping(all)
		two.dropping(all)
	}},
	{name: "one upstream", begin: func(_ *testing.T, _ string, one, _ *silentServer) {
		one.dropping(all)
	}, finds: map[string]string{
		"glibc": gitAddr, "musl": gitAddr, "c-ares": gitAddr, "Go": gitAddr, "Java": gitAddr, "Java, IPv4": gitAddr,
	}},
	// Some clients continue with the name itself, even without --autopath.
	{name: "the node's domain", begin: func(_ *testing.T, _ string, one, two *silentServer) {
		one.dropping(inNodeDomain)
		two.dropping(inNodeDomain)
	}, finds: map[string]string{"glibc": gitAlone, "Go": gitAlone, "Java": gitAlone, "Java, IPv4": gitAlone}},
	// The cache has an address of only one family. musl requires both replies.
	{name: "a family that is in no cache", begin: func(t *testing.T, server string, one, two *silentServer) {
		dnstest.Exchange(t, server, dnstest.Query(silentName+".corp.example", dns.TypeA), false)
		one.dropping(all)
		two.dropping(all)
		eventually(t, func() error {
			reply, err := dnstest.TryExchange(t.Context(), server, dnstest.Query(silentName+".corp.example", dns.TypeA), false)
			if err == nil && (len(reply.Answer) != 1 || reply.Answer[0].Header().Ttl <= 1) {
				err = fmt.Errorf("no stale reply: %v", reply)
			}
			return err
		})
	}, finds: map[string]string{
		"glibc":      gitAddr,
		"c-ares":     gitAddr,
		"Go":         gitAddr,
		"Java":       gitAddr,
		"Java, IPv4": gitAddr,
	}},
}

func all(string, uint16) bool { return true }

func inNodeDomain(name string, _ uint16) bool { return strings.HasSuffix(name, ".corp.example.") }

// TestSilent looks a name up while upstreams are silent, with --autopath and without. The outcome
// is the same for each client, and an existing name is never denied. All clients run concurrently,
// since they mostly wait.
func TestSilent(t *testing.T) {
	var running sync.WaitGroup
	defer running.Wait()
	host := 10 // of the address of the next server
	for _, flags := range [][]string{{"--autopath", "--cache-size=1Mi"}, {"--cache-size=1Mi"}} {
		for _, s := range silences {
			host++
			addr := fmt.Sprint("127.0.0.", host)
			one, two := &silentServer{}, &silentServer{}
			startSilent(t, addr, []string{dnstest.NewServer(t, one).Addr(), dnstest.NewServer(t, two).Addr()}, flags)
			s.begin(t, addr+":53", one, two)
			conf := filepath.Join(t.TempDir(), "resolv.conf")
			write(t, conf, "nameserver "+addr+"\n"+searchLists[0].conf)
			for client, c := range searchClients(t, withResolvConf(conf)...) {
				look := c.start(t)
				running.Go(func() {
					if err := checkSilent(t.Context(), s.finds[client], look); err != nil {
						t.Errorf("silence of %s, flags %v, %s: %v", s.name, flags, client, err)
					}
				})
			}
		}
	}
}

// checkSilent checks that a look-up finds an address, or fails temporarily if that is "".
func checkSilent(ctx context.Context, addr string, look lookup) error {
	got, err := look(ctx, silentName)
	switch {
	case errors.Is(err, errNotFound):
		return err
	case addr == "" && err == nil:
		return fmt.Errorf("got %v, want a failure", got)
	case addr != "" && (err != nil || !slices.Equal(got, []string{addr})):
		return fmt.Errorf("got %v and error %w, want %s", got, err, addr)
	}
	// Cluster names are answered throughout.
	if got, err = look(ctx, "web"); err != nil || !slices.Equal(got, []string{webAddr}) {
		return fmt.Errorf("web: got %v and error %w", got, err)
	}
	return nil
}

// startSilent runs kube-dns at its own address.
func startSilent(t *testing.T, addr string, upstreams, flags []string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "manifests", "objects.yaml"), objects())
	conf := filepath.Join(dir, "resolv.conf")
	write(t, conf, nodeConf)
	args := slices.Concat(withResolvConf(conf), []string{filepath.Join(os.Getenv(insideVariable), "bin", "kube-dns"),
		"--manifests=" + filepath.Join(dir, "manifests"), "--dns-bind-address=" + addr, "--http-bind-address=" + addr,
		"--direct", "--nameservers=" + strings.Join(upstreams, ","), "--v=2"}, flags)
	runCommand(t, exec.Command(args[0], args[1:]...))
	waitAnswer(t, addr+":53", "web.default.svc.cluster.local")
}

// withResolvConf returns the prefix of a command with its own /etc/resolv.conf.
func withResolvConf(file string) []string {
	return []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, file}
}
