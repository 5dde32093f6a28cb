package loadgen

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Pace sends Rate queries a second, evenly, regardless of replies, and measures the time of each.
// It never sleeps, so it needs its own core. The 65,536 ids of DNS limit the window.
func Pace(o Options) (Result, error) {
	o = o.withDefaults()
	o.Sockets, o.Sizes = 1, nil
	fds, err := dialAll(o, unix.Timeval{Usec: 1})
	if err != nil {
		return Result{}, err
	}
	defer closeAll(fds)
	p := &pacer{asker: asker{Options: o, out: newBatch()}, in: newReceiver(), fd: fds[0],
		asked: make([]time.Duration, 1<<16)}
	p.run()
	return p.res, nil
}

type pacer struct {
	asker
	in    *receiver
	fd    int
	asked []time.Duration // send time of the question with that id; 0: none is pending
	took  histogram
	start time.Time
}

func (p *pacer) run() {
	p.start = time.Now()
	for now := time.Duration(0); now < p.Duration; now = time.Since(p.start) {
		due := int(now.Seconds()*float64(p.Rate)) - p.next
		for range min(due, batchSize) {
			at := time.Duration(float64(p.next) / float64(p.Rate) * 1e9)
			p.asked[p.next&0xffff] = max(at, 1)
			p.ask(p.fd, 1)
		}
		p.receive()
	}
	p.res.Seconds = time.Since(p.start).Seconds()
	for end := time.Since(p.start) + 300*time.Millisecond; time.Since(p.start) < end && p.res.Answered < p.res.Sent; {
		p.receive()
	}
	p.res.Lost = p.res.Sent - p.res.Answered
	p.res.P50, p.res.P90, p.res.P99, p.res.P999 = p.took.at(.5), p.took.at(.9), p.took.at(.99), p.took.at(.999)
}

func (p *pacer) receive() {
	k := p.in.receive(p.fd, unix.MSG_DONTWAIT)
	now := time.Since(p.start)
	for i := range k {
		packet := p.in.packet(i)
		p.res.count(packet)
		if len(packet) < 2 {
			continue
		}
		if id := binary.BigEndian.Uint16(packet); p.asked[id] != 0 {
			p.took.add(now - p.asked[id])
			p.asked[id] = 0
		}
	}
}

// A histogram counts durations in steps of about two percent.
type histogram struct {
	counts [1024]int
	n      int
}

const perOctave = 32

func (h *histogram) add(d time.Duration) {
	us := max(float64(d)/1e3, 1)
	h.counts[min(int(math.Log2(us)*perOctave), len(h.counts)-1)]++
	h.n++
}

// at returns the quantile of a share, in microseconds.
func (h *histogram) at(share float64) float64 {
	want := int(math.Ceil(share * float64(h.n)))
	seen := 0
	for i, c := range h.counts {
		seen += c
		if seen >= want && c > 0 {
			return math.Exp2((float64(i) + .5) / perOctave)
		}
	}
	return 0
}
