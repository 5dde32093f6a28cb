package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// exchange queries one server over TCP, and again without OPT if it refuses that.
func (p *pool) exchange(
	ctx context.Context, server netip.AddrPort, query []byte, timeout time.Duration,
) ([]byte, error) {
	reply, err := p.exchangeOnce(ctx, server, query, timeout)
	bare := withoutOPT(query)
	if refused := errors.Is(err, errRefusesOPT) || err == nil && refusesOPT(reply); !refused || bare == nil {
		return reply, err
	}
	if reply, err = p.exchangeOnce(ctx, server, bare, timeout); err != nil {
		return nil, err
	}
	return withOPT(reply, query), nil
}

// exchangeOnce sends a query to one server over TCP and returns its reply, with the query's ID. It
// does not accept a reply to another question.
func (p *pool) exchangeOnce(
	ctx context.Context, server netip.AddrPort, query []byte, timeout time.Duration,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
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
		// A connection that was used before may be stale: the server closed it.
		stale := s.recycle && !errors.Is(err, errRefusesOPT) && !errors.Is(err, os.ErrDeadlineExceeded)
		if !stale || ctx.Err() != nil {
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
	reply, err := wire.ReadMessage(bufio.NewReader(conn))
	if err != nil {
		return nil, err
	}
	switch matchReply(reply, query, binary.BigEndian.Uint16(query)) {
	case unrelated:
		return nil, errors.New("the reply is for another question")
	case rejection:
		return nil, rejected(reply)
	}
	return reply, nil
}
