package skydns

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
)

// exchangeOnce sends a query to one server over TCP and returns its reply, with
// the query's ID. A reply to another question is not taken for one.
func (p *pool) exchangeOnce(ctx context.Context, server netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	for {
		s, err := p.get(ctx, server)
		if err != nil {
			return nil, err
		}
		reply, err := s.ask(ctx, query)
		if err == nil {
			p.put(s)
			return reply, nil
		}
		_ = s.Close()
		// A connection that was used before may have gone stale: the server
		// closed it.
		if !s.recycle || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}

// ask sends a query and waits for its reply until ctx is over.
func (s *socket) ask(ctx context.Context, query []byte) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return nil, err
	}
	sent := bytes.Clone(query)
	binary.BigEndian.PutUint16(sent, newID())
	reply, err := roundTripTCP(s.Conn, sent)
	if err != nil {
		return nil, err
	}
	copy(reply[:2], query[:2])
	return reply, nil
}

func roundTripTCP(conn net.Conn, query []byte) ([]byte, error) {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(query)), uint16(len(query)))
	if _, err := conn.Write(append(framed, query...)); err != nil {
		return nil, err
	}
	reply, err := readMessage(bufio.NewReader(conn))
	if err == nil && !answers(reply, query) {
		err = errors.New("the reply is for another question")
	}
	return reply, err
}

// answers says whether reply is a response to query: with its ID and its
// question, in whatever letter case. A server that could not read the question
// repeats none.
func answers(reply, query []byte) bool {
	if len(reply) < headerSize || reply[2]&0x80 == 0 || !bytes.Equal(reply[:2], query[:2]) {
		return false
	}
	if binary.BigEndian.Uint16(reply[4:]) == 0 {
		return reply[3]&0xf != 0
	}
	q := question(query)
	return q != nil && len(reply) >= headerSize+len(q) && bytes.EqualFold(reply[headerSize:headerSize+len(q)], q)
}

// question is the question section of a query whose name is not compressed.
func question(query []byte) []byte {
	off := headerSize
	for off < len(query) && query[off] != 0 {
		if query[off]&0xc0 != 0 {
			return nil
		}
		off += int(query[off]) + 1
	}
	if off += 5; off > len(query) {
		return nil
	}
	return query[headerSize:off]
}
