// Command kubectl-kubedns is a kubectl plugin. It checks and explains the kube-dns of a
// cluster. It changes nothing without "migrate --apply", or --switch-on of "top" and "tail".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
