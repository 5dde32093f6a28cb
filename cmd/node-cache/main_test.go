package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/clitest"
)

func TestMain(m *testing.M) {
	switch part := os.Getenv("PLAY"); part {
	case "":
	case "agent":
		main()
	default:
		if err := play(strings.Fields(part)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"node-cache": main})
}

// TestScripts runs the stories in testdata against the real command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands("testdata")})
}
