package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Steer directs all new packets and connections for addrs to the sockets of this process, and not
// to other processes that share a port. The newest socket of each address and protocol must be
// ours. When other processes close their sockets, the only remaining socket receives everything,
// except a packet that the kernel sends to a socket while it closes.
func Steer(addrs []netip.AddrPort) error {
	ours, err := sockets()
	if err != nil {
		return err
	}
	var trouble error
	for _, addr := range addrs {
		for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
			fd, ok := ours[socketKey{kind, addr}]
			if !ok {
				trouble = errors.Join(trouble,
					fmt.Errorf("no socket of this process listens at %s %s", kindName(kind), addr))
				continue
			}
			n, err := sharing(kind, addr)
			if err == nil {
				err = attach(fd, n-1)
			}
			if err != nil {
				trouble = errors.Join(trouble, fmt.Errorf("steer %s %s: %w", kindName(kind), addr, err))
			}
		}
	}
	return trouble
}

// Taken reports whether a socket of any process is bound to one of addrs.
func Taken(addrs []netip.AddrPort) bool {
	for _, addr := range addrs {
		for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
			if n, err := sharing(kind, addr); err == nil && n > 0 {
				return true
			}
		}
	}
	return false
}

// Shared reports whether another process has a socket bound to one of addrs.
func Shared(addrs []netip.AddrPort) (bool, error) {
	ours := make(map[socketKey]map[uint64]bool) // inodes: a socket can have several descriptors
	err := eachSocket(func(fd int, key socketKey) {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) != nil {
			return
		}
		if ours[key] == nil {
			ours[key] = make(map[uint64]bool)
		}
		ours[key][stat.Ino] = true
	})
	if err != nil {
		return false, err
	}
	for _, addr := range addrs {
		for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
			n, err := sharing(kind, addr)
			if err != nil {
				return false, err
			}
			if n > len(ours[socketKey{kind, addr}]) {
				return true, nil
			}
		}
	}
	return false, nil
}

func kindName(kind int) string {
	if kind == unix.SOCK_DGRAM {
		return "udp"
	}
	return "tcp"
}

// attach directs everything to socket number index of a group. The program is one instruction of
// classic BPF that returns the number (socket(7), SO_ATTACH_REUSEPORT_CBPF). The group is all
// sockets bound to the same address; the newest is its last.
func attach(fd, index int) error {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: uint32(index)}}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// A socketKey is the address of a listening socket, and its type: SOCK_DGRAM or SOCK_STREAM.
type socketKey struct {
	kind int
	addr netip.AddrPort
}

// sockets returns the listening descriptors of this process. The library that opened them does not
// expose them.
func sockets() (map[socketKey]int, error) {
	found := map[socketKey]int{}
	err := eachSocket(func(fd int, key socketKey) { found[key] = fd })
	return found, err
}

// eachSocket calls f with each listening descriptor of this process.
func eachSocket(f func(fd int, key socketKey)) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("find our own sockets: %w", err)
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if k, ok := listening(fd); ok {
			f(fd, k)
		}
	}
	return nil
}

// listening returns the key of a descriptor if it is a listening socket.
func listening(fd int) (k socketKey, ok bool) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return k, false
	}
	if kind == unix.SOCK_STREAM {
		if accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || accepts == 0 {
			return k, false
		}
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return k, false
	}
	switch at := name.(type) {
	case *unix.SockaddrInet4:
		return socketKey{kind, netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))}, true
	case *unix.SockaddrInet6:
		return socketKey{kind, netip.AddrPortFrom(netip.AddrFrom16(at.Addr).Unmap(), uint16(at.Port))}, true
	}
	return k, false
}

// sharing returns the number of sockets bound to addr in this network namespace.
func sharing(kind int, addr netip.AddrPort) (int, error) {
	file := "/proc/self/net/" + kindName(kind)
	if addr.Addr().Is6() {
		file += "6"
	}
	table, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[1] == procAddr(addr) && (kind == unix.SOCK_DGRAM || fields[3] == stateListen) {
			n++
		}
	}
	return n, nil
}

// stateListen is TCP_LISTEN in /proc/net/tcp (proc(5)).
const stateListen = "0A"

// procAddr returns an address in the form of /proc/net: words of 32 bits in host byte order
// (proc(5)).
func procAddr(addr netip.AddrPort) string {
	var b strings.Builder
	raw := addr.Addr().AsSlice()
	for i := 0; i < len(raw); i += 4 {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(raw[i:]))
	}
	fmt.Fprintf(&b, ":%04X", addr.Port())
	return b.String()
}
