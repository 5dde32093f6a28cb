package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"node-cache": main})
}

// TestScripts runs the stories in testdata against the real command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands("testdata")})
}
