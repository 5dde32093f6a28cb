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
	// exchangeTimeout limits one client's query over all servers. Clients give up after 5 s: a
	// reply at that moment is lost.
	exchangeTimeout = 4200 * time.Millisecond
	// maxStep is the longest wait for a server before the next one is also queried.
	maxStep = 800 * time.Millisecond
	// roundPause is the pause before servers that could not be reached are queried once more.
	roundPause = 250 * time.Millisecond
	// tryTimeout limits one server over TCP, and the last one over UDP when another one has sent an
	// error.
	tryTimeout = 2 * time.Second
)

var (
	errNoServer = errors.New("no nameserver is configured")
	errNoAnswer = errors.New("no nameserver answered")
	// errRefusesOPT is an error without a question, as servers without EDNS send.
	errRefusesOPT = errors.New("the server may not support EDNS")
	errMalformed  = errors.New("malformed reply")
)

// A plan tries the servers of a query in order, at most twice, until one replies NOERROR or
// NXDOMAIN. A server with another reply is not queried again. The last such reply is the result if
// no server has a better one.
type plan struct {
	servers []netip.AddrPort
	n       int    // tries so far
	spoke   []bool // by server
	last    []byte
	err     error
}

// next returns the index of the next server; false: no server is left.
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

// step returns the wait for a server before the next one is queried. It is short enough to query
// each server twice within the time.
func (p *plan) step() time.Duration {
	return min(maxStep, exchangeTimeout/time.Duration(2*max(1, len(p.servers))))
}

// accept reports whether a reply of server i is the result. It does not retain reply.
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

// malformed records an unreadable reply of server i.
func (p *plan) malformed(i int, defect wire.Defect) {
	p.failed(i, fmt.Errorf("%w (%s)", errMalformed, defect))
	p.skip(i)
}

// skip excludes server i from next.
func (p *plan) skip(i int) {
	if p.spoke == nil {
		p.spoke = make([]bool, len(p.servers))
	}
	p.spoke[i] = true
}

// failed records the reason why server i has no reply.
func (p *plan) failed(i int, err error) {
	p.err = fmt.Errorf("%w: %s: %w", errNoAnswer, p.servers[i], err)
}

// result returns the reply or the error of a plan without an accepted reply.
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

// rejected returns the error for a reply without a question.
func rejected(packet []byte) error {
	err := fmt.Errorf("%s without a question", dns.RcodeToString[int(packet[3]&0xf)])
	if refusesOPT(packet) {
		return fmt.Errorf("%w: %w", err, errRefusesOPT)
	}
	return err
}
