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
	codeUnknown  = 2 // the command could not find out
	codeStopped  = 130
)

// errFindings ends a command whose output has findings. It has been printed already.
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

// reportError prints the error of a command in one line, unless it is one that the
// output shows already.
func reportError(w io.Writer, err error) {
	if code := exitCode(err); code == codeUnknown {
		fmt.Fprintf(w, "kubectl kubedns: %v\n", err)
	}
}
