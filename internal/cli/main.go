package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"
)

// A Run is a whole command. args holds the arguments without the program's
// name. It returns nil after an orderly stop; see [ExitCode] for the rest.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Main calls run with the process's arguments and streams, prints the error it
// returns to standard error, flushes the log, and returns the exit code. It does
// not exit by itself and catches no panic.
func Main(run Run) int {
	defer stopLogging()
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	return report(os.Stderr, filepath.Base(os.Args[0]), err)
}

// report prints an error that ends the program and returns the exit code.
func report(stderr io.Writer, program string, err error) int {
	code := ExitCode(err)
	if code != 0 {
		klog.Flush() // the last log lines stand before the reason
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
	}
	return code
}
