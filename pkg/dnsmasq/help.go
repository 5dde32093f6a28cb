package dnsmasq

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// helpTime is how long dnsmasq may take to list its options.
const helpTime = 2 * time.Second

// readHelp returns what the dnsmasq at path writes about its options.
func readHelp(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--help")
	cmd.WaitDelay = helpTime // a child of its own may keep the output open
	help, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", path, err)
	}
	return string(help), nil
}
