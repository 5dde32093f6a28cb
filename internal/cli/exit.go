package cli

import (
	"errors"
	"flag"

	"github.com/spf13/pflag"
)

// Exit codes of the three commands. Supervisors and scripts rely on them.
const (
	codeOK     = 0
	codeFailed = 1
	codeUsage  = 2
	codeFatal  = 255
)

// exitError is an error with an exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageError marks err as a mistake on the command line, exit code 2. usageError(nil) is nil.
func usageError(err error) error { return withCode(codeUsage, err) }

// Failed marks err as a failure with exit code 1: a DNS address cannot be opened, or any failure of
// node-cache. Failed(nil) is nil.
func Failed(err error) error { return withCode(codeFailed, err) }

// Fatal marks err as any other failure, exit code 255, even if err has another code.
// Fatal(nil) is nil.
func Fatal(err error) error { return withCode(codeFatal, err) }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// exitCode returns the exit code for err: 0 for nil and for a request for help, the code of the
// outermost exitError, or 255.
func exitCode(err error) int {
	if err == nil || errors.Is(err, pflag.ErrHelp) || errors.Is(err, flag.ErrHelp) {
		return codeOK
	}
	if coded, ok := errors.AsType[*exitError](err); ok {
		return coded.code
	}
	return codeFatal
}
