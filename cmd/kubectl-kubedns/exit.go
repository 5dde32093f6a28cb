package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Exit codes. Scripts rely on them.
const (
	codeOK       = 0
	codeFindings = 1
	codeUnknown  = 2 // the command could not determine the result
	codeStopped  = 130
)

// errFindings is the error of a command with findings, which are already printed.
var errFindings = errors.New("there are findings")

// exitCode returns the exit code for the error of a command.
func exitCode(err error) int {
	switch {
	case err == nil:
		return codeOK
	case errors.Is(err, errFindings):
		return codeFindings
	case errors.Is(err, context.Canceled):
		return codeStopped
	}
	return codeUnknown
}

// reportError prints the error of a command in one line, unless the output already shows it.
func reportError(w io.Writer, err error) {
	if code := exitCode(err); code == codeUnknown {
		fmt.Fprintf(w, "kubectl kubedns: %v\n", err)
	}
}
