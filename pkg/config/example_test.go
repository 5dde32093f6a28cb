package config_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// An invalid configuration is refused, and the one in use remains.
func ExampleCurrent() {
	current := &config.Current{
		Zone:    "cluster.local.",
		Use:     func(in config.InUse) { fmt.Println("use", in.Config.StubDomains) },
		Refused: func(key string, _ error) { fmt.Println("refuse", key) },
		Log:     slog.New(slog.DiscardHandler),
	}
	for _, text := range []string{`{"acme.example": ["192.0.2.1"]}`, `{"acme.example": ["192.0.2.1:"]}`} {
		cfg, err := config.Parse(map[string]string{"stubDomains": text})
		current.Apply(config.Update{Config: cfg, Err: err})
	}
	// Output:
	// use [{acme.example [192.0.2.1:53]}]
	// refuse stubDomains
}

// The error names the key, the value, and the accepted form.
func ExampleParse_refused() {
	_, err := config.Parse(map[string]string{"upstreamNameservers": `["192.0.2.1", "192.0.2.2:0"]`})
	if invalid, ok := errors.AsType[*config.KeyError](err); ok {
		fmt.Println(invalid.Key)
		fmt.Println(invalid.Value)
		fmt.Println(invalid.Reason)
	}
	// Output:
	// upstreamNameservers
	// server "192.0.2.2:0"
	// a port is a number from 1 to 65535
}

// A directory has one file per key. Run follows it until ctx is done.
func ExampleDir() {
	dir, err := os.MkdirTemp("", "config-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "upstreamNameservers"), []byte(`["192.0.2.1"]`), 0o600); err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	source := config.Dir{Path: dir, Period: 10 * time.Second}
	err = source.Run(ctx, func(u config.Update) {
		fmt.Println(u.Config.Upstreams, u.Err)
		stop() // one update is enough here
	})
	fmt.Println(err)
	// Output:
	// [192.0.2.1:53] <nil>
	// <nil>
}
