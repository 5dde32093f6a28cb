package main

import (
	"context"
	"io"
	"os"

	"github.com/kube-dns/kube-dns/cmd/node-cache/agent"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/internal/cli"
)

// run is the whole command.
func run(ctx context.Context, args []string, _ io.Writer) error {
	opts, err := options.Parse(args, os.Stderr)
	if err != nil {
		return cli.Listen(err)
	}
	log := cli.Logger()
	_, ctx, release := cli.NotifyStop(ctx, opts.Lameduck, log)
	defer release()
	return cli.Listen(agent.Run(ctx, opts, agent.Parts{Log: log}))
}
