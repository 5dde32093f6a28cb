package dnsmasq

import (
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestServersFileDoesNotWaitForTheDisk: the servers file is written although the disk completes no
// sync.
func TestServersFileDoesNotWaitForTheDisk(t *testing.T) {
	d, err := openStateDir(filepath.Join(publicDir(t), "state"), 53)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	done := make(chan error, 1)
	go func() {
		// The thread exits with the goroutine, and removes the refusal.
		runtime.LockOSThread()
		if err := refuseSync(); err != nil {
			done <- err
			return
		}
		if err := d.usableBy(testUser()); err != nil {
			done <- err
			return
		}
		d.writePID(1)
		done <- d.writeServers([]byte("server=192.0.2.1\n"))
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// refuseSync makes fsync and fdatasync fail in this thread.
func refuseSync() error {
	const jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: jumpEqual, Jt: 1, K: unix.SYS_FSYNC},
		{Code: jumpEqual, Jf: 1, K: unix.SYS_FDATASYNC},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
