package agent_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLines checks the log lines that operators of the original search for.
func TestLines(t *testing.T) {
	n := newNode(t)
	n.opts.PIDFile = n.path("pid")
	n.opts.Config.ReloadWithSignal = true
	n.start()
	n.until("a.other.example.", "192.0.2.2")
	n.write("map/stubDomains", fmt.Sprintf(`{"stub.example": [%q]}`, n.kubeDNS.Addr()))
	n.until("a.stub.example.", "192.0.2.1")
	if err := n.end(); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		"Starting node-cache image: v1", "Using Corefile " + n.path("Corefile"), "waiting for coredns pidfile",
		"Updated Corefile with 1 custom stubdomains and upstream servers", "Using config file:",
		fmt.Sprintf("Sending reload signal to PID %d", os.Getpid()), "Tearing down",
		"Reloading complete",
		"Exiting iptables/interface check goroutine",
	} {
		if !strings.Contains(n.log.String(), line) {
			t.Errorf("the log lacks %q", line)
		}
	}
}
