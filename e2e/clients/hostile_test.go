package clients

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// memoryLimit is the limit of kube-dns's memory with such clients, in MiB. The manifests' limit is
// 170.
const memoryLimit = 100

// TestMemory has clients that use memory of the server. They read the whole tree many times at
// once, and open connections and send nearly all of a large query. They query a large reply once
// and stay connected, and query every port of a Service with many.
func TestMemory(t *testing.T) {
	const connections = 3000
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 20000, Max: 20000}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "objects.yaml"), largeObjects())
	pid := run(t, filepath.Join(os.Getenv(insideVariable), "bin", "kube-dns"), "--manifests="+dir, "--dns-port=10053",
		"--dns-bind-address=127.0.0.1")
	waitAnswer(t, kubeDNS, "s999.default.svc.cluster.local")
	report := func(after string) {
		t.Helper()
		if rss := residentMiB(t, pid); rss >= memoryLimit {
			t.Errorf("after %s: got %d MiB resident, want less than %d", after, rss, memoryLimit)
		} else {
			t.Logf("after %s: %d MiB resident", after, rss)
		}
	}
	report("the start")

	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	together(20, func(int) {
		resp, err := client.Get("http://127.0.0.1:8081/cache")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // a refusal with 503 is fine too
	})
	report("20 readers of /cache")

	announced := binary.BigEndian.AppendUint16(nil, 65535)
	announced = append(announced, make([]byte, 65534)...)
	held := openAll(t, connections, func(c net.Conn) error {
		_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_, _ = c.Write(announced) // the server can close it
		return nil
	})
	report("connections that send nearly all of a large query")
	closeAll(held)

	query, err := dnstest.Query("wide.data.svc.cluster.local", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	held = openAll(t, connections, func(c net.Conn) error { return askOnce(c, query) })
	report("connections that asked for a large reply and stay")
	closeAll(held)

	together(8, func(worker int) {
		conn, err := dns.Dial("udp", kubeDNS)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.UDPSize = 4096
		for port := worker; port < 20000; port += 8 {
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			query := dnstest.Query(fmt.Sprintf("_p%d._tcp.odd.data.svc.cluster.local", port), dns.TypeSRV)
			query.SetEdns0(1232, false)
			if err := conn.WriteMsg(query); err != nil {
				t.Error(err)
				return
			}
			if _, err := conn.ReadMsg(); err != nil {
				t.Errorf("port %d: %v", port, err)
				return
			}
		}
	})
	report("20,000 SRV queries")
	waitAnswer(t, kubeDNS, "s1.default.svc.cluster.local")
}

// largeObjects has 1,000 Services, one with 5,000 endpoints, and one with 20,000
// ports and 45 endpoints.
func largeObjects() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Service, metadata: {name: s%d, namespace: default}, "+
			"spec: {clusterIP: 10.97.%d.%d, ports: [{port: 80}]}}\n", i, i/250, i%250+1)
	}
	for _, name := range []string{"wide", "odd"} {
		fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: data}, "+
			"spec: {clusterIP: None}}\n", name)
	}
	wide := make([]string, 5000)
	for i := range wide {
		wide[i] = fmt.Sprintf("10.246.%d.%d", i/250, i%250+1)
	}
	oneSlice(&b, "wide", "[{port: 80}]", wide)
	ports := make([]string, 20000)
	for i := range ports {
		ports[i] = fmt.Sprintf("{name: p%d, port: %d, protocol: TCP}", i, i+1)
	}
	oneSlice(&b, "odd", "["+strings.Join(ports, ",")+"]", wide[:45])
	return b.String()
}

func oneSlice(b *strings.Builder, service, ports string, addrs []string) {
	fmt.Fprintf(b,
		"---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: %[1]s-1, namespace: data, "+
			"labels: {kubernetes.io/service-name: %[1]s}}, addressType: IPv4, ports: %[2]s, endpoints: [", service, ports)
	for _, addr := range addrs {
		fmt.Fprintf(b, "{addresses: [%s]},", addr)
	}
	b.WriteString("]}\n")
}

// together runs n calls at once and waits for them.
func together(n int, call func(int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { call(i) })
	}
	wait.Wait()
}

// openAll opens connections, some hundred at a time, and uses each once. It skips those that the
// server refuses.
func openAll(t *testing.T, n int, use func(net.Conn) error) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	together(200, func(worker int) {
		for i := worker; i < n; i += 200 {
			conn, err := net.Dial("tcp", kubeDNS)
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
			conns[i] = conn
			if err := use(conn); err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
		}
	})
	return conns
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// askOnce sends a query and reads the complete reply.
func askOnce(c net.Conn, query []byte) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(query)))
	if _, err := c.Write(append(framed, query...)); err != nil {
		return err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return fmt.Errorf("read the size of the reply: %w", err)
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint16(size[:])))
	return err
}

// residentMiB returns the resident memory of a process.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kB / 1024
		}
	}
	t.Fatal(errors.New("no VmRSS in the status of the process"))
	return 0
}
