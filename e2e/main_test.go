package e2e

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

// dirVariable names the supervisor's directory for the second process.
const dirVariable = "KUBE_DNS_E2E_DIR"

// rig is the environment that the supervisor prepared for all tests.
var rig struct {
	// dir holds bin (the commands), cluster and log.
	dir     string
	cluster *controlPlane
	ports   sync.Map // handed out by freePort
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.list"); f != nil && f.Value.String() != "" {
		os.Exit(m.Run())
	}
	rig.dir = os.Getenv(dirVariable)
	if rig.dir == "" {
		os.Exit(supervise())
	}
	var err error
	if rig.cluster, err = openControlPlane(rig.dir + "/cluster"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
