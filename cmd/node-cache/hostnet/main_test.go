package hostnet

import (
	"fmt"
	"os"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// agentVariable marks the process of an agent. It has the configuration in JSON.
const agentVariable = "HOSTNET_AGENT"

func TestMain(m *testing.M) {
	if text := os.Getenv(agentVariable); text != "" {
		if err := runAgent(text); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(world.Main(m))
}
