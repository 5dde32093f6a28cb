// Package loadgen sends queries to a DNS server over UDP, from one thread: at the maximum rate of
// the server, or at a given rate.
package loadgen

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a run.
type Options struct {
	Server netip.AddrPort
	// Questions, each a packet.
	Questions [][]byte
	// Sizes, if any, are the packets' ids, one for each question. The echo server replies with that
	// number of bytes.
	Sizes []int
	// Duration of the run.
	Duration time.Duration
	// Window is the number of pending queries (256).
	Window int
	// Sockets to send from (4).
	Sockets int
	// Rate is the number of queries a second; 0 means the maximum of the server.
	Rate int
}

func (o Options) withDefaults() Options {
	if o.Window == 0 {
		o.Window = 256
	}
	if o.Sockets == 0 {
		o.Sockets = 4
	}
	return o
}

// A Result is the result of a run.
type Result struct {
	Sent, Answered, Lost int
	Seconds              float64
	// Rcodes counts the replies by rcode.
	Rcodes [16]int
	// Empty are NOERROR replies without a record, Truncated those with TC.
	Empty, Truncated int
	// Bytes of all replies.
	Bytes int
	// Latency in microseconds at these shares; only for a paced run.
	P50, P90, P99, P999 float64 `json:",omitempty"`
}

// QPS returns the number of replies a second.
func (r Result) QPS() float64 { return float64(r.Answered) / r.Seconds }

func (r *Result) count(p []byte) {
	if len(p) < 12 {
		return
	}
	r.Answered++
	r.Bytes += len(p)
	rcode := p[3] & 15
	r.Rcodes[rcode]++
	if p[2]&2 != 0 {
		r.Truncated++
	}
	if rcode == 0 && p[6] == 0 && p[7] == 0 {
		r.Empty++
	}
}

// Saturate keeps Window queries pending: after each reply it sends the next query. A query without
// a reply within 200 ms is lost and replaced by another.
func Saturate(o Options) (Result, error) {
	o = o.withDefaults()
	fds, err := dialAll(o, unix.Timeval{Usec: 200_000})
	if err != nil {
		return Result{}, err
	}
	defer closeAll(fds)
	s := &asker{Options: o, out: newBatch()}
	in := newReceiver()
	per := o.Window / o.Sockets
	start := time.Now()
	for _, fd := range fds {
		s.ask(fd, per)
	}
	for time.Since(start) < o.Duration {
		for _, fd := range fds {
			k := in.receive(fd, unix.MSG_WAITFORONE)
			if k == 0 {
				s.res.Lost += per
				s.ask(fd, per)
				continue
			}
			for i := range k {
				s.res.count(in.packet(i))
			}
			s.ask(fd, k)
		}
	}
	s.res.Seconds = time.Since(start).Seconds()
	return s.res, nil
}

func dialAll(o Options, wait unix.Timeval) ([]int, error) {
	var fds []int
	for range o.Sockets {
		fd, err := dial(o.Server, wait)
		if err != nil {
			closeAll(fds)
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// An asker sends the questions in turn.
type asker struct {
	Options
	out  *batch
	next int
	res  Result
}

func (s *asker) ask(fd, n int) {
	for n > 0 {
		k := min(n, batchSize, len(s.Questions))
		for i := range k {
			s.out.set(i, s.question())
		}
		s.out.send(fd, k)
		s.res.Sent += k
		n -= k
	}
}

// question returns the next packet. Its id is a counter, or its size.
func (s *asker) question() []byte {
	at := s.next % len(s.Questions)
	q, id := s.Questions[at], s.next
	if s.Sizes != nil {
		id = s.Sizes[at]
	}
	binary.BigEndian.PutUint16(q, uint16(id))
	s.next++
	return q
}
