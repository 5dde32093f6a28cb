package loadgen_test

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/echo"
	"github.com/kube-dns/kube-dns/e2e/bench/loadgen"
)

const echoVariable = "BENCH_TEST_ECHO"

// TestMain is also the echo server, which needs its own process.
func TestMain(m *testing.M) {
	if addr := os.Getenv(echoVariable); addr != "" {
		os.Stdout.WriteString("listening\n")
		os.Stderr.WriteString(echo.Serve(netip.MustParseAddrPort(addr), false).Error() + "\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var questions = []dataset.Question{{Name: "a.test", Type: "A"}, {Name: "b.test", Type: "A"},
	{Name: "no.test", Type: "A"}}

func pack(t *testing.T) [][]byte {
	t.Helper()
	packets, err := loadgen.Pack(questions, false)
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// serve answers every name except "no", which does not exist.
func serve(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if name := q.Question[0].Name; name == "no.test." {
			m.Rcode = dns.RcodeNameError
		} else {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A: net.IPv4(192, 0, 2, 1)}}
		}
		_ = w.WriteMsg(m)
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = s.Shutdown()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// repeat runs a load, longer each time, until it has that number of replies: a busy machine sends
// few.
func repeat(t *testing.T, load func(loadgen.Options) (loadgen.Result, error), o loadgen.Options,
	answers int) loadgen.Result {
	t.Helper()
	for o.Duration = 300 * time.Millisecond; ; o.Duration *= 2 {
		got, err := load(o)
		if err != nil {
			t.Fatal(err)
		}
		if got.Answered >= answers {
			return got
		}
		if o.Duration > time.Minute {
			t.Fatalf("%+v: want %d answers", got, answers)
		}
	}
}

func TestSaturate(t *testing.T) {
	got := repeat(t, loadgen.Saturate, loadgen.Options{Server: serve(t), Questions: pack(t)}, 30)
	absent, found := got.Rcodes[dns.RcodeNameError], got.Rcodes[dns.RcodeSuccess]
	if absent == 0 || found == 0 || absent+found != got.Answered || got.Empty != 0 {
		t.Errorf("result %+v: want answers of both kinds and no empty one", got)
	}
}

func TestPace(t *testing.T) {
	server := serve(t)
	got, err := loadgen.Pace(
		loadgen.Options{Server: server, Questions: pack(t), Duration: 300 * time.Millisecond, Rate: 1000})
	if err != nil || got.Sent > 300 {
		t.Errorf("sent %d questions (%v), want at most 300", got.Sent, err)
	}
	got = repeat(t, loadgen.Pace, loadgen.Options{Server: server, Questions: pack(t), Rate: 1000}, 1)
	if got.P50 <= 0 || got.P50 > got.P99 || got.P99 > got.P999 {
		t.Errorf("latency %v, %v, %v: want them in order", got.P50, got.P99, got.P999)
	}
}

func TestPaceCountsTheLost(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	addr := silent.LocalAddr().(*net.UDPAddr).AddrPort()
	got, err := loadgen.Pace(loadgen.Options{Server: addr, Questions: pack(t), Duration: 100 * time.Millisecond,
		Rate: 100})
	if err != nil || got.Answered != 0 || got.Lost != got.Sent {
		t.Errorf("result %+v, %v: want all lost", got, err)
	}
}

// The echo's replies have the sizes that Sizes returned.
func TestEchoRepliesInSize(t *testing.T) {
	packets := pack(t)
	sizes, err := loadgen.Sizes(serve(t), packets)
	if err != nil {
		t.Fatal(err)
	}
	server := startEcho(t)
	got := repeat(t, loadgen.Saturate,
		loadgen.Options{Server: server, Questions: packets, Sizes: sizes, Window: 3, Sockets: 1}, 100)
	sum := sizes[0] + sizes[1] + sizes[2]
	if mean := float64(got.Bytes) / float64(got.Answered); mean < float64(sum)/3-2 || mean > float64(sum)/3+2 {
		t.Errorf("replies of %.1f bytes in the mean, want those of %v", mean, sizes)
	}
}

func startEcho(t *testing.T) netip.AddrPort {
	t.Helper()
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := free.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = free.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), echoVariable+"="+addr.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until it has bound its socket
		if _, err := loadgen.Sizes(addr, pack(t)[:1]); err == nil {
			return addr
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the echo does not reply")
	return addr
}
