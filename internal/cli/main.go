package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"
)

// A Run is a command. args are the arguments without the program's name. Run returns nil after an
// orderly stop; see exitCode for errors.
type Run func(ctx context.Context, args []string, stdout io.Writer) error

// Main calls run with the arguments and standard output of the process, prints its error to
// standard error, flushes the log, and returns the exit code. It does not exit, and it
// does not recover from panics.
func Main(run Run) int {
	defer stopLogging()
	err := run(context.Background(), os.Args[1:], os.Stdout)
	return report(os.Stderr, filepath.Base(os.Args[0]), err)
}

// report prints an error that stops the program and returns the exit code.
func report(stderr io.Writer, program string, err error) int {
	code := exitCode(err)
	if code != 0 {
		klog.Flush() // log lines precede the error
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
	}
	return code
}
