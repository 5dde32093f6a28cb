package dnsmasq

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// inNamespace runs the calling test again, in a new network namespace with its loopback interface
// up, and reports whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const inside = "INSIDE_NETWORK_NAMESPACE"
	if os.Getenv(inside) != "" {
		ip(t, "link set lo up")
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a network namespace")
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// ip runs the command of that name.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// TestResolvConfLoop: all nameservers of resolv.conf lead back.
func TestResolvConfLoop(t *testing.T) {
	if !inNamespace(t) { // port 53 is needed
		return
	}
	path := filepath.Join(publicDir(t), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 127.0.0.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := startNanny(t, "", func(o *Options) {
		o.Args = []string{"-k", "--no-hosts", "--pid-file=", "--log-facility=-", "-r" + path}
	})
	r.addr = netip.MustParseAddrPort("127.0.0.1:53")
	r.configure()
	r.waitLog(1, leftOutLine+".*server=127.0.0.53:53.*a loopback address is the pod itself")
	r.waitAnswer("x.test.", "REFUSED")
	list, err := chaos.QueryServers(t.Context(), r.addr.String())
	if err != nil || len(list) != 1 || list[0].Address.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("servers %v, %v; want that of the markers alone", list, err)
	}
}

// TestNotOnLoopback: a dnsmasq that does not listen on the loopback interface is queried at another
// address, and changes without a restart.
func TestNotOnLoopback(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ip(t, "link add eth7 type veth peer name other")
	ip(t, "addr add 192.0.2.7/24 dev eth7")
	ip(t, "link set eth7 up")
	ip(t, "link set other up")
	for _, more := range []string{"-I lo", "-i eth7 -I lo", "-i eth* --except-interface=lo --bind-interfaces"} {
		r := startNanny(t, more, func(o *Options) {
			o.Args = slices.DeleteFunc(o.Args, func(arg string) bool { return arg == "--listen-address=127.0.0.1" })
		})
		r.addr = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), r.addr.Port())
		r.configure(keyUpstreams, `["192.0.2.1"]`)
		r.waitLog(1, answersLine+".*address=192.0.2.7:")
		r.configure(keyUpstreams, `["192.0.2.2"]`)
		r.waitLog(1, confirmedLine)
		if err := r.stop(); err != nil || len(r.pids()) != 1 {
			t.Errorf("%s: %v, processes %v; want one", more, err, r.pids())
		}
	}
}
