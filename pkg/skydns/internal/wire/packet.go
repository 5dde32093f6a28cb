package wire

import (
	"bufio"
	"encoding/binary"
	"io"
)

// HeaderSize is the size of a message's header (RFC 1035 section 4.1.1).
const HeaderSize = 12

// SkipName returns the offset after the name at off, or -1 if the packet is too short. It does not
// follow pointers.
func SkipName(packet []byte, off int) int {
	for off < len(packet) {
		switch size := int(packet[off]); {
		case size == 0:
			return off + 1
		case size >= 0xc0:
			if off+2 > len(packet) {
				return -1
			}
			return off + 2
		case size > 63:
			return -1
		default:
			off += 1 + size
		}
	}
	return -1
}

// ValidOptions reports whether the options of an OPT record fill its data (RFC 6891
// section 6.1.2).
func ValidOptions(data []byte) bool {
	for len(data) > 0 {
		if len(data) < 4 {
			return false
		}
		size := 4 + int(binary.BigEndian.Uint16(data[2:]))
		if size > len(data) {
			return false
		}
		data = data[size:]
	}
	return true
}

// ReadMessage reads a message that follows its length (RFC 1035 section 4.2.2).
func ReadMessage(r *bufio.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}
