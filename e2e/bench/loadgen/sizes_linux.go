package loadgen

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes sends each question once and returns the sizes of the replies.
func Sizes(server netip.AddrPort, questions [][]byte) ([]int, error) {
	fd, err := dial(server, unix.Timeval{Sec: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	in, buf := make([]int, len(questions)), make([]byte, packetSize)
	for i, q := range questions {
		size, err := exchange(fd, q, uint16(i), buf)
		if err != nil {
			return nil, fmt.Errorf("question %d of %d to %s: %w", i+1, len(questions), server, err)
		}
		in[i] = size
	}
	return in, nil
}

func exchange(fd int, q []byte, id uint16, buf []byte) (int, error) {
	binary.BigEndian.PutUint16(q, id)
	for range 3 {
		if _, err := unix.Write(fd, q); err != nil {
			return 0, err
		}
		for {
			n, err := unix.Read(fd, buf)
			if err != nil {
				break
			}
			if n >= 12 && binary.BigEndian.Uint16(buf) == id {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("no answer")
}
