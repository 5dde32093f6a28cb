package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/miekg/dns"
)

// askTimeout limits one exchange. It is longer than the time that a server can wait for its
// upstreams.
const askTimeout = 6 * time.Second

// ErrNoReply is the error of a query without a reply within the time limit.
var ErrNoReply = errors.New("no reply within " + askTimeout.String())

// headerSize is the size of the header of a message (RFC 1035 section 4.1.1).
const headerSize = 12

// A Reply is a reply to a question.
type Reply struct {
	// Sent and Wire are both messages in wire format.
	Sent, Wire []byte
	// Msg is Wire, unpacked.
	Msg *dns.Msg
}

// Ask sends the question to a server (ip:port) once, from a new socket, and reads one reply. The
// error is ErrNoReply if none arrives. A malformed reply is also an error.
func Ask(ctx context.Context, server string, q Query) (Reply, error) {
	sent, err := q.Question.pack(uint16(rand.Uint32()))
	if err != nil {
		return Reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	wire, err := exchange(ctx, server, sent, q.Question.TCP)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return Reply{}, ErrNoReply
	}
	if err != nil {
		return Reply{}, fmt.Errorf("ask %s: %w", server, err)
	}
	msg, err := unpack(wire)
	if err != nil {
		return Reply{}, fmt.Errorf("reply is not well formed: %w\n%s", err, hex.Dump(wire))
	}
	return Reply{Sent: sent, Wire: wire, Msg: msg}, nil
}

// pack returns the question as a message. Names keep their letter case.
func (q Question) pack(id uint16) ([]byte, error) {
	qtype, ok := dns.StringToType[q.Type]
	if !ok {
		return nil, fmt.Errorf("unknown type %q", q.Type)
	}
	class, ok := dns.StringToClass[cmp.Or(q.Class, "IN")]
	if !ok {
		return nil, fmt.Errorf("unknown class %q", q.Class)
	}
	msg := dns.Msg{Question: []dns.Question{{Name: dns.Fqdn(q.Name), Qtype: qtype, Qclass: class}}}
	msg.Id = id
	msg.RecursionDesired = !q.NoRecurse
	msg.CheckingDisabled = q.CD
	if q.EDNS != nil {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(q.EDNS.Size)
		opt.SetVersion(q.EDNS.Version)
		opt.SetDo(q.EDNS.DO)
		msg.Extra = []dns.RR{opt}
	}
	wire, err := msg.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", q.Name, err)
	}
	return wire, nil
}

func exchange(ctx context.Context, server string, sent []byte, tcp bool) ([]byte, error) {
	network := "udp"
	if tcp {
		network = "tcp"
	}
	client := dns.Client{Net: network, DialTimeout: askTimeout}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	// The caller's context may end before the deadline.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(sent); err != nil { // over TCP, with its length
		return nil, err
	}
	wire := make([]byte, dns.MaxMsgSize)
	n, err := conn.Read(wire)
	return wire[:n], err
}

// unpack reads a message. It is stricter than the library, which accepts wrong counts in the header
// and bytes after the last record.
func unpack(wire []byte) (*dns.Msg, error) {
	if len(wire) < headerSize {
		return nil, fmt.Errorf("%d bytes are less than a header", len(wire))
	}
	off := headerSize
	for range binary.BigEndian.Uint16(wire[4:]) {
		_, next, err := dns.UnpackDomainName(wire, off)
		if err != nil {
			return nil, fmt.Errorf("question: %w", err)
		}
		off = next + 4
	}
	for section := 6; section < headerSize; section += 2 {
		for range binary.BigEndian.Uint16(wire[section:]) {
			if off >= len(wire) {
				return nil, errors.New("fewer records than the header counts")
			}
			_, next, err := dns.UnpackRR(wire, off)
			if err != nil {
				return nil, fmt.Errorf("record at byte %d: %w", off, err)
			}
			off = next
		}
	}
	if off != len(wire) {
		return nil, fmt.Errorf("message ends at byte %d of %d", off, len(wire))
	}
	msg := new(dns.Msg)
	return msg, msg.Unpack(wire)
}

// checkRepeats checks that the message is a response to the query: same id, opcode and
// question, byte for byte.
func (r Reply) checkRepeats() string {
	if len(r.Sent) < headerSize {
		return "nothing was sent"
	}
	sentID, gotID := binary.BigEndian.Uint16(r.Sent), r.Msg.Id
	question := r.Sent[headerSize:questionEnd(r.Sent)]
	switch {
	case !r.Msg.Response:
		return "QR bit: got 0, want 1"
	case sentID != gotID:
		return fmt.Sprintf("id: got %d, want %d", gotID, sentID)
	case r.Msg.Opcode != dns.OpcodeQuery:
		return fmt.Sprintf("opcode: got %d, want %d", r.Msg.Opcode, dns.OpcodeQuery)
	case len(r.Msg.Question) != 1 || !bytes.HasPrefix(r.Wire[headerSize:], question):
		return "question: got another one than was sent"
	}
	return ""
}

// questionEnd returns the end of the question of a message of ours.
func questionEnd(wire []byte) int {
	_, off, err := dns.UnpackDomainName(wire, headerSize)
	if err != nil {
		return len(wire)
	}
	return min(off+4, len(wire))
}
