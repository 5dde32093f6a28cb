//go:build !linux

package udpbatch

import (
	"net"
	"time"
)

// A Route is the way back to a client.
type Route struct{}

// A Packet is one packet of a batch.
type Packet struct {
	Data, Room, Reply []byte
	Route             Route
}

// A Conn does not exist here: New makes none.
type Conn struct{}

// New returns ErrUnsupported.
func New(*net.UDPConn) (*Conn, error) { return nil, ErrUnsupported }

// Serve is never called.
func (*Conn) Serve(Handler) (int, error) { return 0, ErrUnsupported }

// SetReadDeadline is never called.
func (*Conn) SetReadDeadline(time.Time) error { return ErrUnsupported }

// Close is never called.
func (*Conn) Close() error { return ErrUnsupported }

// Send is never called.
func (*Conn) Send(*Route, []byte) error { return ErrUnsupported }
