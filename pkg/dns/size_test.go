package dns

import (
	"testing"
	"unsafe"
)

// Each Service has one value of two cache lines. An address query needs the first. The only port is
// in the second.
func TestServiceSize(t *testing.T) {
	var s service
	if size := unsafe.Sizeof(s); size > 128 {
		t.Errorf("a service has %d bytes, want at most 128", size)
	}
	if end := unsafe.Offsetof(s.made); end > 64 {
		t.Errorf("what an address question needs ends at %d, want at most 64", end)
	}
}
