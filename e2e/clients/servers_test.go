package clients

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// testNginx has nginx resolve the names of its upstreams for each request. Only web's address
// exists, so nginx tries all addresses and lists them.
func testNginx(t *testing.T, w *world) {
	listener, err := net.Listen("tcp", webAddr+":80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter,
		_ *http.Request) {
		fmt.Fprint(rw, "web")
	})}
	ended := make(chan error, 1) // sent to by the goroutine that serves
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})

	conf := filepath.Join(w.dir, "nginx.conf")
	write(t, conf, `daemon off; master_process off; pid `+w.dir+`/nginx.pid; error_log stderr;
events {}
http {
  access_log off;
  resolver 127.0.0.1;
  server {
    listen 127.0.0.1:8088;
    add_header X-Tried $upstream_addr always;
    location ~ ^/(?<name>[^/]+)$ { proxy_pass http://$name:80/; }
  }
}
`)
	run(t, "nginx", "-c", conf, "-p", w.dir)
	eventually(t, func() error { _, _, err := fetch("http://127.0.0.1:8088/web.default.svc.cluster.local"); return err })
	for _, n := range slices.Concat(names, names) {
		if len(n.addrs) == 0 {
			continue
		}
		body, tried, err := fetch("http://127.0.0.1:8088/" + n.full)
		switch {
		case err != nil:
			t.Errorf("%s: %v", n.full, err)
		case n.asked == "web" && body != "web":
			t.Errorf("%s: got body %q, want the Service's", n.full, body)
		case !slices.Equal(tried, n.addrs):
			t.Errorf("%s:\n nginx tried %v\n want %v", n.full, tried, n.addrs)
		}
	}
}

// fetch returns the body and the sorted addresses that nginx tried.
func fetch(url string) (string, []string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", nil, err
	}
	var tried []string
	for addr := range strings.SplitSeq(resp.Header.Get("X-Tried"), ", ") {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return "", nil, fmt.Errorf("%s: status %s, nginx tried %q", url, resp.Status, addr)
		}
		tried = append(tried, host)
	}
	return string(body), sorted(tried), nil
}

// testHAProxy fills server templates from SRV and address records, over UDP
// with the EDNS size that its documentation recommends, and over TCP.
func testHAProxy(t *testing.T, w *world) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			socket := filepath.Join(w.dir, "haproxy-"+transport+".sock")
			conf := filepath.Join(w.dir, "haproxy-"+transport+".cfg")
			nameserver := map[string]string{"udp": "127.0.0.1:53", "tcp": "tcp@127.0.0.1:53"}[transport]
			write(t, conf, `global
  stats socket `+socket+` level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 1s
  timeout server 1s
resolvers pod
  nameserver dns `+nameserver+`
  accepted_payload_size 8192
  hold valid 1s
backend ports
  server-template s 5 _psql._tcp.db.data.svc.cluster.local resolvers pod init-addr none
backend members
  server-template s 5 db.data.svc.cluster.local:5432 resolvers pod init-addr none
backend many
  server-template s 70 many.data.svc.cluster.local:5432 resolvers pod init-addr none
backend alias
  server-template s 1 small.default.svc.cluster.local:80 resolvers pod init-addr none resolve-prefer ipv4
`)
			run(t, "haproxy", "-db", "-f", conf)
			want := map[string][]string{
				"ports": names[2].addrs, "members": names[2].addrs, "alias": {"203.0.113.80"},
			}
			if transport == "tcp" {
				want["many"] = names[4].addrs
			}
			eventually(t, func() error { return wantServers(socket, want) })
		})
	}
}

// wantServers compares the addresses of the backends' servers.
func wantServers(socket string, want map[string][]string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "show servers state\n"); err != nil {
		return err
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	got := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		// be_id be_name srv_id srv_name srv_addr ...
		if f := strings.Fields(line); len(f) > 5 && f[0] != "#" && f[4] != "-" {
			got[f[1]] = append(got[f[1]], f[4])
		}
	}
	for backend, addrs := range want {
		if !slices.Equal(sorted(got[backend]), addrs) {
			return fmt.Errorf("backend %s:\n got %v\nwant %v", backend, sorted(got[backend]), addrs)
		}
	}
	return nil
}

// testUnbound queries through unbound: as a forwarder over UDP and over TCP, and as an iterative
// resolver with strict QNAME minimisation (RFC 9156). That resolver queries kube-dns for every
// parent of the name.
func testUnbound(t *testing.T, w *world) {
	for _, mode := range []struct {
		name, conf string
		outside    bool
	}{
		{"forward", "forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@53\n", true},
		{"forward over TCP", "forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@53\n  forward-tcp-upstream: yes\n",
			true},
		{"iterate", stubZones("cluster.local", "10.in-addr.arpa", "0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"), false},
	} {
		t.Run(mode.name, func(t *testing.T) {
			conf := filepath.Join(w.dir, "unbound.conf")
			write(t, conf, `server:
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1@5354
  do-not-query-localhost: no
  module-config: "iterator"
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-below-nxdomain: yes
  aggressive-nsec: no
  local-zone: "10.in-addr.arpa." nodefault
  local-zone: "d.f.ip6.arpa." nodefault
`+mode.conf)
			run(t, "unbound", "-d", "-c", conf)
			waitAnswer(t, "127.0.0.1:5354", "web.default.svc.cluster.local")
			askFamilies(t, "127.0.0.1:5354", func(n name) bool {
				return mode.outside || strings.HasPrefix(n.full, "db") ||
					n.asked == "web"
			})
			for addr, want := range map[string]string{
				webAddr: "web.default.svc.cluster.local.", "fd00:10:96::30": "dual.default.svc.cluster.local.",
			} {
				if strings.Contains(addr, ":") && !mode.outside {
					continue // it queries A, which kube-dns forwards (docs/compatibility.md)
				}
				reverse, err := dns.ReverseAddr(addr)
				if err != nil {
					t.Fatal(err)
				}
				reply := dnstest.Exchange(t, "127.0.0.1:5354", dnstest.Query(reverse, dns.TypePTR), false)
				if len(reply.Answer) != 1 || !strings.HasSuffix(reply.Answer[0].String(), "\t"+want) {
					t.Errorf("PTR of %s: got %v, want %s", addr, reply, want)
				}
			}
		})
	}
}

func stubZones(zones ...string) string {
	var b strings.Builder
	for _, zone := range zones {
		fmt.Fprintf(&b, "stub-zone:\n  name: %q\n  stub-addr: 127.0.0.1@10053\n", zone)
	}
	return b.String()
}

// testNodeCache queries through a node's cache, which keeps TCP connections to the pod.
func testNodeCache(t *testing.T, w *world) {
	write(t, filepath.Join(w.dir, "Corefile.base"), `.:5355 {
  errors
  bind __PILLAR__LOCAL__DNS__
  cache 30
  forward . 127.0.0.1:53 {
    force_tcp
  }
}
`)
	run(t, filepath.Join(w.dir, "bin", "node-cache"), "-localip=127.0.0.1", "-dns.port=5355", "-setupinterface=false",
		"-setupiptables=false", "-metrics-listen-address=0", "-basecorefile="+filepath.Join(w.dir, "Corefile.base"),
		"-conf="+filepath.Join(w.dir, "Corefile"))
	waitAnswer(t, "127.0.0.1:5355", "web.default.svc.cluster.local")
	askFamilies(t, "127.0.0.1:5355", func(name) bool { return true })
}

// askFamilies queries a server for both families of the names, in both orders and over both
// transports.
func askFamilies(t *testing.T, server string, ask func(name) bool) {
	t.Helper()
	both := []uint16{dns.TypeAAAA, dns.TypeA, dns.TypeAAAA}
	for _, n := range names {
		if !ask(n) {
			continue
		}
		for _, tcp := range []bool{true, false} {
			var got []string
			for _, qtype := range both {
				query := dnstest.Query(n.full, qtype)
				query.SetEdns0(4096, false)
				reply := dnstest.Exchange(t, server, query, tcp)
				if reply.Truncated {
					reply = dnstest.Exchange(t, server, query, true)
				}
				got = append(got, addresses(reply)...)
			}
			got = slices.Compact(sorted(got))
			if !slices.Equal(got, n.addrs) {
				t.Errorf("%s over TCP %t:\n got %v\nwant %v", n.full, tcp, got, n.addrs)
			}
		}
	}
}

// addresses returns the addresses of the answer section.
func addresses(reply *dns.Msg) []string {
	var list []string
	for _, rr := range reply.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			list = append(list, rr.A.String())
		case *dns.AAAA:
			list = append(list, rr.AAAA.String())
		}
	}
	return list
}

// TestFamiliesOverTCP queries the pod for the families of ExternalName Services, in every order of
// two questions over two transports. Each pair is sent to a pod with an empty cache.
func TestFamiliesOverTCP(t *testing.T) {
	for _, n := range names {
		if n.asked != "small" && n.asked != "big" {
			continue
		}
		for _, first := range []uint16{dns.TypeA, dns.TypeAAAA} {
			for _, tcp := range [][2]bool{{true, true}, {false, true}, {true, false}} {
				t.Run(fmt.Sprintf("%s, %s first, TCP %v", n.asked, dns.TypeToString[first], tcp), func(t *testing.T) {
					w := startWorld(t)
					second := dns.TypeA + dns.TypeAAAA - first
					var got []string
					for i, qtype := range []uint16{first, second} {
						reply := dnstest.Exchange(t, pod, dnstest.Query(n.full, qtype), tcp[i])
						if reply.Truncated {
							reply = dnstest.Exchange(t, pod, dnstest.Query(n.full, qtype), true)
						}
						got = append(got, addresses(reply)...)
					}
					if !slices.Equal(sorted(got), n.addrs) {
						t.Errorf("%s: got %v, want %v", n.full, sorted(got), n.addrs)
					}
					w.wantNoLeak(t)
				})
			}
		}
	}
}
