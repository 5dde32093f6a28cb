package clients

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sandboxVariable marks a process that runs its arguments in a sandbox.
const sandboxVariable = "KUBE_DNS_CLIENTS_SANDBOX"

// enterSandbox replaces this process with the program of its arguments, which cannot change the
// size of send buffers. Its sockets have the system's default, like those of a pod on a node with
// default settings.
func enterSandbox() error {
	const jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	const load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	// struct seccomp_data: the number of the call at 0, its arguments from 16 on.
	filter := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: jumpEqual, Jf: 6, K: unix.SYS_SETSOCKOPT},
		{Code: load, K: 16 + 8},
		{Code: jumpEqual, Jf: 4, K: unix.SOL_SOCKET},
		{Code: load, K: 16 + 16},
		{Code: jumpEqual, Jt: 1, K: unix.SO_SNDBUF},
		{Code: jumpEqual, Jf: 1, K: unix.SO_SNDBUFFORCE},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
}
