package cmdline

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLine(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"default.conf": "user=root\n",
		"own.conf":     "port=5399\nservers-file=/x\nno-resolv\n",
		"nested.conf":  "conf-file=" + dir + "/own.conf\n",
		"loop.conf":    "conf-file=" + dir + "/loop.conf\nserver=192.0.2.1\n",
		"quiet.conf":   "cache-size=100\n",
		"d/a.conf":     "user=a\n",
		"d/b.off":      "user=b\n",
		"d/c.conf~":    "user=c\n",
		"d/.d.conf":    "user=d\n",
		"d/#e#":        "user=e\n",
		"d/sub/f.conf": "user=f\n",
	})
	base := Line{Port: 53, User: "nobody", ResolvFiles: []string{"/etc/resolv.conf"}}
	tests := map[string]struct {
		args        string
		defaultConf string
		want        func(c *Line)
	}{
		"nothing":              {"", "", func(*Line) {}},
		"default file":         {"", "default.conf", func(c *Line) { c.User = "root" }},
		"its own file instead": {"-C DIR/quiet.conf", "default.conf", func(c *Line) { c.NamesConf = true }},
		"no file instead":      {"--conf-file", "default.conf", func(c *Line) { c.NamesConf = true }},
		"a directory beside the default file": {"-7 DIR/d", "default.conf",
			func(c *Line) { c.NamesConf, c.User = true, "root" }},
		"the file overrides the arguments": {"-p 5300 -C DIR/own.conf", "", func(c *Line) {
			c.NamesConf, c.NoResolv, c.Port, c.ServersFile = true, true, 5399, "/x"
		}},
		"a file that names a file": {"--conf-fil=DIR/nested.conf", "", func(c *Line) {
			c.NamesConf, c.NoResolv, c.Port, c.ServersFile = true, true, 5399, "/x"
		}},
		"a file that names itself": {"-CDIR/loop.conf", "", func(c *Line) { c.NamesConf, c.DefaultServer = true, true }},
		"directory":                {"--conf-dir=DIR/d", "", func(c *Line) { c.NamesConf, c.User = true, "b" }},
		"directory, only":          {"--conf-dir=DIR/d,*.conf", "", func(c *Line) { c.NamesConf, c.User = true, "a" }},
		"directory, all but":       {"--conf-dir=DIR/d,.off,.x", "", func(c *Line) { c.NamesConf, c.User = true, "a" }},
		"directory is missing": {"-7DIR/none", "",
			func(c *Line) { c.NamesConf, c.Unread = true, "open DIR/none: no such file or directory" }},
		"file is missing": {"-C DIR/none", "",
			func(c *Line) { c.NamesConf, c.Unread = true, "open DIR/none: no such file or directory" }},
		"script": {"--conf-script=/x", "",
			func(c *Line) { c.NamesConf, c.Unread = true, "the script /x writes it" }},
		"standard input": {"-C -", "", func(c *Line) {
			c.NamesConf, c.Unread = true,
				"it is read from standard input"
		}},
		"options": {"-knR -0 300", "",
			func(c *Line) { c.Foreground, c.NoPoll, c.NoResolv, c.ForwardMax = true, true, true, true }},
		"limits":         {"-o --max-tcp-conn=3 --all", "", func(c *Line) { c.TCPMax = true }},
		"debug mode":     {"-d", "", func(c *Line) { c.Foreground = true }},
		"no resolv file": {"--resolv-file=", "", func(c *Line) { c.NoResolv = true }},
		"resolv files": {"-r /a --resolv-file=/b --resolv-file", "",
			func(c *Line) { c.ResolvFiles = []string{"/a", "/b"} }},
		"listen addresses": {"-a 192.0.2.1,::1 -a x", "", func(c *Line) {
			c.Listen = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::1")}
		}},
		"servers of domains": {"-S /A.test./b.test/192.0.2.1#5353@eth0 --local=/c.test/ --server=/d.test/# " +
			"--server=//192.0.2.2", "", func(c *Line) {
			addr := netip.MustParseAddrPort("192.0.2.1:5353")
			c.Servers = []upstreams.Server{{Domain: "a.test", Addr: addr}, {Domain: "b.test", Addr: addr}}
		}},
		"a part of a name": {"--server=/*a.test/192.0.2.1", "", func(c *Line) {
			c.Servers = []upstreams.Server{{Domain: "*a.test", Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
		}},
		"default server":         {"-S 192.0.2.1", "", func(c *Line) { c.DefaultServer = true }},
		"default server by name": {"--server=dns.test", "", func(c *Line) { c.DefaultServer = true }},
		"server for every domain": {"--server=/#/192.0.2.1", "", func(c *Line) {
			c.DefaultServer, c.Servers = true, []upstreams.Server{{Domain: "#", Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
		}},
		"no server":                    {"--server=", "", func(*Line) {}},
		"reverse server is no default": {"--rev-server=192.0.2.0/24,192.0.2.1", "", func(*Line) {}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := base
			tt.want(&want)
			want.Unread = strings.ReplaceAll(want.Unread, "DIR", dir)
			args := strings.Fields(strings.ReplaceAll(tt.args, "DIR", dir))
			want.Args = args
			got, err := readWith(args, filepath.Join(dir, tt.defaultConf))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
				cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("command line (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLineNotUnderstood(t *testing.T) {
	got, err := readWith([]string{"--abc", "--server=/cluster.test/127.0.0.1#10053"}, "")
	if want := "dnsmasq's arguments: option --abc is unknown"; errText(err) != want {
		t.Errorf("error %q, want %q", errText(err), want)
	}
	if want := []string{"cluster.test"}; !cmp.Equal(got.Zones(netip.MustParseAddrPort("127.0.0.1:10053")), want) {
		t.Errorf("zones %q, want %q", got.Zones(netip.MustParseAddrPort("127.0.0.1:10053")), want)
	}
}

func TestZones(t *testing.T) {
	kubeDNS := netip.MustParseAddrPort("127.0.0.1:10053")
	tests := map[string]struct {
		args string
		want []string
	}{
		"stock": {"--server=/example.org/127.0.0.1#10053 --server=/ip6.arpa/127.0.0.1#10053 -S /acme.test/192.0.2.1",
			[]string{"example.org", "ip6.arpa"}},
		"another target": {"--server=/example.org/127.0.0.1#10054", []string{"cluster.local"}},
		"nothing":        {"", []string{"cluster.local"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, err := readWith(strings.Fields(tt.args), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, cmd.Zones(kubeDNS)); diff != "" {
				t.Errorf("zones (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClusterDomain(t *testing.T) {
	for want, zones := range map[string][]string{
		"example.org":   {"in-addr.arpa", "ip6.arpa", "example.org", "other.test"},
		"cluster.local": {"10.in-addr.arpa"},
	} {
		if got := ClusterDomain(zones); got != want {
			t.Errorf("%q: got %s, want %s", zones, got, want)
		}
	}
}

func TestQueryAddr(t *testing.T) {
	local := []LocalAddr{
		{"lo", netip.MustParseAddr("127.0.0.1")}, {"eth0", netip.MustParseAddr("192.0.2.7")},
		{"veth1", netip.MustParseAddr("192.0.2.8")},
	}
	for args, want := range map[string]string{
		"":                            "127.0.0.1:53",
		"-I lo":                       "192.0.2.7:53",
		"-i eth0 -I lo":               "192.0.2.7:53",
		"-i veth* -I lo":              "192.0.2.8:53",
		"-I lo,eth*":                  "192.0.2.8:53",
		"-i eth9 -I lo":               "127.0.0.1:53",
		"-i veth1":                    "127.0.0.1:53",
		"-I lo -a 192.0.2.1":          "192.0.2.1:53",
		"-p5353":                      "127.0.0.1:5353",
		"-a 192.0.2.1":                "192.0.2.1:53",
		"-a 192.0.2.1,127.0.0.1":      "127.0.0.1:53",
		"-a ::1 -p 5353":              "[::1]:5353",
		"-a 0.0.0.0":                  "127.0.0.1:53",
		"--interface=eth0 -z -p 5353": "127.0.0.1:5353",
	} {
		cmd, err := readWith(strings.Fields(args), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := cmd.QueryAddr(local).String(); got != want {
			t.Errorf("%q: asked at %s, want %s", args, got, want)
		}
	}
}
