package upstream

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"
)

// headerSize is the size of a message's header, in bytes (RFC 1035 section 4.1.1).
const headerSize = 12

// A match is the relation of a packet to a query.
type match int

const (
	// unrelated: not a reply to the query.
	unrelated match = iota
	// rejection: an error without a question. An attacker who guesses the ID can forge one, so the
	// query only moves to the next server (RFC 5452 section 9.1).
	rejection
	// related: a reply with the ID and the question of the query.
	related
)

// matchReply compares a packet with a query that was sent with ID id.
func matchReply(packet, query []byte, id uint16) match {
	const qr, opcode = 0x80, 0x78
	if len(packet) < headerSize || len(query) < headerSize || binary.BigEndian.Uint16(packet) != id ||
		packet[2]&qr == 0 || packet[2]&opcode != query[2]&opcode {
		return unrelated
	}
	switch binary.BigEndian.Uint16(packet[4:]) {
	case 0:
		switch int(packet[3] & 0xf) {
		case dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeServerFailure, dns.RcodeRefused:
			return rejection
		}
	case 1:
		if sameQuestion(packet, query) {
			return related
		}
	}
	return unrelated
}

// sameQuestion reports whether two messages have the same first question. The comparison of names
// ignores the case of ASCII letters (RFC 4343).
func sameQuestion(a, b []byte) bool {
	qa, qb := question(a), question(b)
	if qa == nil || len(qa) != len(qb) {
		return false
	}
	name := len(qa) - 4
	for i := range name {
		if lowerByte(qa[i]) != lowerByte(qb[i]) {
			return false
		}
	}
	return bytes.Equal(qa[name:], qb[name:])
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// question returns the first question of a message: name, type and class. It returns nil if there
// is none, or its name is compressed.
func question(msg []byte) []byte {
	off := headerSize
	for off < len(msg) && msg[off] != 0 {
		if msg[off]&0xc0 != 0 {
			return nil
		}
		off += int(msg[off]) + 1
	}
	if off += 5; off > len(msg) {
		return nil
	}
	return msg[headerSize:off]
}
