package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

const (
	// exchangeTimeout is for one client's query with all servers. Clients give
	// up after 5 s: a reply at that moment is lost.
	exchangeTimeout = 4200 * time.Millisecond
	// maxStep is how long a server may take before the next one is asked too.
	maxStep = 800 * time.Millisecond
	// roundPause is how long servers that could not be reached have before they
	// are asked once more.
	roundPause = 250 * time.Millisecond
	// tryTimeout is for one server over TCP, and for the last one over UDP when
	// another one has sent an error.
	tryTimeout = 2 * time.Second
)

var (
	errNoServer = errors.New("no nameserver is configured")
	errNoAnswer = errors.New("no nameserver answered")
	// errRefusesOPT is an error without a question, as servers without EDNS send.
	errRefusesOPT = errors.New("the server may not support EDNS")
	errMalformed  = errors.New("malformed reply")
)

// A plan leads a query along the servers, in order and at most twice, until one
// replies NOERROR or NXDOMAIN. A server that replied otherwise is not asked
// again. The last such reply is the result when no server has a better one.
type plan struct {
	servers []netip.AddrPort
	n       int    // tries so far
	spoke   []bool // by server
	last    []byte
	err     error
}

// next returns the index of the server to ask; false: no server is left.
func (p *plan) next() (int, bool) {
	for p.n < 2*len(p.servers) {
		i := p.n % len(p.servers)
		p.n++
		if p.spoke == nil || !p.spoke[i] {
			return i, true
		}
	}
	return 0, false
}

// more reports whether next has another server.
func (p *plan) more() bool {
	ahead := *p
	_, ok := ahead.next()
	return ok
}

// step is how long the plan waits for a server before it asks the next one, so
// that each server is asked twice before the time is over.
func (p *plan) step() time.Duration {
	return min(maxStep, exchangeTimeout/time.Duration(2*max(1, len(p.servers))))
}

// accept reports whether a reply of server i is the result. It keeps no part of it.
func (p *plan) accept(i int, reply []byte) bool {
	if isAnswer(reply) {
		return true
	}
	p.last = bytes.Clone(reply)
	p.skip(i)
	return false
}

// isAnswer reports whether a reply is NOERROR or NXDOMAIN.
func isAnswer(reply []byte) bool {
	rcode := int(reply[3] & 0xf)
	return rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError
}

// malformed records that server i sent something that is no reply.
func (p *plan) malformed(i int, defect wire.Defect) {
	p.failed(i, fmt.Errorf("%w (%s)", errMalformed, defect))
	p.skip(i)
}

// skip makes next leave out server i.
func (p *plan) skip(i int) {
	if p.spoke == nil {
		p.spoke = make([]bool, len(p.servers))
	}
	p.spoke[i] = true
}

// failed records why server i has no reply.
func (p *plan) failed(i int, err error) {
	p.err = fmt.Errorf("%w: %s: %w", errNoAnswer, p.servers[i], err)
}

// result is the reply or the error of a plan that no server's reply has ended.
func (p *plan) result() ([]byte, error) {
	switch {
	case p.last != nil:
		return p.last, nil
	case p.err != nil:
		return nil, p.err
	case len(p.servers) == 0:
		return nil, errNoServer
	}
	return nil, errNoAnswer
}

// rejected is the error of a reply without a question.
func rejected(packet []byte) error {
	err := fmt.Errorf("%s without a question", dns.RcodeToString[int(packet[3]&0xf)])
	if refusesOPT(packet) {
		return fmt.Errorf("%w: %w", err, errRefusesOPT)
	}
	return err
}
