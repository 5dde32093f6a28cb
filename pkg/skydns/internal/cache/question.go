package cache

import (
	"encoding/binary"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// A Question is a query that the cache can answer.
type Question struct {
	packet []byte
	end    int // of the question section
	opt    bool
	key    string
}

const (
	flagRD, flagAD, flagCD = 0x01, 0x20, 0x10
	doBit                  = 0x80
	keyName                = 9 // the offset of the name in a key
	classIN                = 1
)

// Read reads a query, and reports whether the cache can answer it: it has one question of class IN,
// RD is set, and its EDNS options do not change the reply. Queries with another route have other
// keys.
func Read(packet []byte, route uint64) (q Question, ok bool) {
	if len(packet) < wire.HeaderSize || packet[2]&^flagRD != 0 || packet[2]&flagRD == 0 ||
		binary.BigEndian.Uint32(packet[4:]) != 1<<16 || binary.BigEndian.Uint16(packet[8:]) != 0 ||
		binary.BigEndian.Uint16(packet[10:]) > 1 {
		return q, false
	}
	end := wire.HeaderSize
	for end < len(packet) && packet[end] != 0 {
		if packet[end] > 63 {
			return q, false
		}
		end += 1 + int(packet[end])
	}
	if end += 5; end > len(packet) || binary.BigEndian.Uint16(packet[end-2:]) != classIN {
		return q, false
	}
	q = Question{packet: packet, end: end, opt: packet[11] == 1}
	do := byte(0)
	if q.opt {
		opt := packet[end:]
		if len(opt) < wire.OPTSize || opt[0] != 0 || binary.BigEndian.Uint16(opt[1:]) != typeOPT || opt[6] != 0 ||
			len(opt) != wire.OPTSize+int(binary.BigEndian.Uint16(opt[9:])) || !neutral(opt[wire.OPTSize:]) {
			return q, false
		}
		do = opt[7] & doBit
	} else if end != len(packet) {
		return q, false
	}
	q.key = key(packet, end, route, packet[3]&(flagAD|flagCD)|do)
	return q, true
}

// keySize is the size of the largest key of a valid name.
const keySize = keyName + 255 + 2

func key(packet []byte, end int, route uint64, bits byte) string {
	var buf [keySize]byte
	b := binary.BigEndian.AppendUint64(buf[:0], route)
	return string(appendQuestion(append(b, bits), packet, end))
}

// appendQuestion appends the name and the type of a question to b. The name is in lower case: only
// letters change, since the sizes of labels are below those of letters.
func appendQuestion(b, packet []byte, end int) []byte {
	for at, c := range packet[wire.HeaderSize : end-2] {
		if isName := at < end-4-wire.HeaderSize; isName && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// asks reports whether a reply has the question of q. Both question sections end at the same
// offset.
func (q *Question) asks(reply []byte) bool {
	var buf [keySize]byte
	return len(reply) >= q.end && string(appendQuestion(buf[:0], reply, q.end)) == q.key[keyName:]
}

const (
	typeOPT         = 41
	optionCookie    = 10
	optionKeepalive = 11
	optionPadding   = 12
)

// neutral reports whether EDNS options do not affect the records of a reply. Other options, such as
// a client's subnet (RFC 7871), can select them.
func neutral(options []byte) bool {
	for len(options) >= 4 {
		switch binary.BigEndian.Uint16(options) {
		case optionCookie, optionKeepalive, optionPadding:
		default:
			return false
		}
		size := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if size > len(options) {
			return false
		}
		options = options[size:]
	}
	return len(options) == 0
}
