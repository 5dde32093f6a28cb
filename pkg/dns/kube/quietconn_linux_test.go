package kube_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// quietPair returns both ends of a connection; the first one is quiet.
func quietPair(t testing.TB) (quiet net.Conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); accepted.Close() })
	q := kube.Quiet(c)
	if q == c {
		t.Fatal("the connection is not a quiet one")
	}
	return q, accepted.(*net.TCPConn)
}

func TestQuietConnIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, other := quietPair(t)
		return c1, kube.Quiet(other), func() { c1.Close(); other.Close() }, nil
	})
}

func TestQuietConnErrors(t *testing.T) {
	buf := make([]byte, 8)
	t.Run("end", func(t *testing.T) {
		q, other := quietPair(t)
		if _, err := other.Write([]byte("last")); err != nil {
			t.Fatal(err)
		}
		other.Close()
		if b, err := io.ReadAll(q); string(b) != "last" || err != nil {
			t.Errorf("ReadAll = %q, %v", b, err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		q, other := quietPair(t)
		if err := other.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		other.Close()
		_, err := q.Read(buf)
		if !errors.Is(err, syscall.ECONNRESET) || kube.ReasonOf(err) != kube.ConnectionLost {
			t.Errorf("Read: %v (%s), want a reset, which is a lost connection", err, kube.ReasonOf(err))
		}
	})
	t.Run("deadline", func(t *testing.T) {
		q, _ := quietPair(t)
		if err := q.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		q, _ := quietPair(t)
		q.Close()
		if _, err := q.Read(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestQuietConnAllocatesNothing(t *testing.T) {
	q, other := quietPair(t)
	buf, b := make([]byte, 8), []byte("x")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := other.Write(b); err != nil {
			t.Fatal(err)
		}
		if n, err := q.Read(buf); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
