package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/internal/clitest"
)

func TestMain(m *testing.M) {
	part := os.Getenv("PLAY")
	switch {
	// A script or a test runs this binary as the command.
	case part == "agent", filepath.Base(os.Args[0]) == "node-cache":
		main()
	case part == "many":
		if err := askMany(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case part != "":
		if err := play(strings.Fields(part)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(world.Main(scripts{m}))
	}
}

// scripts adds the command to the PATH of scripts, and runs the tests.
type scripts struct{ m *testing.M }

// Run does not return.
func (s scripts) Run() int {
	testscript.Main(s.m, map[string]func(){"node-cache": main})
	return 0
}

// TestScripts runs the scripts in testdata against the real command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands("testdata")})
}
