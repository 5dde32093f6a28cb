package meter_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/meter"
)

func TestCPUCountsChildren(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sh -c 'while :; do :; done'; true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(20 * time.Second)
	for meter.CPU(cmd.Process.Pid) < 0.05 {
		if time.Now().After(deadline) {
			t.Fatalf("CPU = %v of a shell whose child is busy", meter.CPU(cmd.Process.Pid))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	got := meter.MemoryOf(os.Getpid())
	if got.RSS < 1 || got.Peak < got.RSS/2 {
		t.Errorf("MemoryOf = %+v, want some MiB", got)
	}
	if (meter.MemoryOf(1<<30) != meter.Memory{}) {
		t.Error("a process that is not there has memory")
	}
}

func TestBusyOfTheFirstCore(t *testing.T) {
	if meter.Busy(0) <= 0 {
		t.Error("core 0 has never been busy")
	}
}
