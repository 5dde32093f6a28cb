// Command release makes and publishes the parts of a release that images/build.sh does not:
//
//	release index -o x.tar -name registry.example/dns/x:v1.0.0 amd64/x.tar arm64/x.tar
//	release push -registry registry.example/dns -tag v1.0.0 k8s-dns-sidecar.tar ...
//	release notes -version v1.0.0 CHANGELOG.md
//	release provenance -version v1.0.0 -registry registry.example/dns -revision REV FILE ...
//	release sign -key release.key SHA256SUMS
//
// Its output depends only on the arguments and the files.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const usage = `Makes and publishes the parts of a release.

Usage:
  release index -o ARCHIVE -name NAME:TAG ARCHIVE ...   join images of several architectures
  release push -registry REGISTRY -tag TAG ARCHIVE ...  push such indexes to a registry
  release notes -version VERSION CHANGELOG              print the section of a version
  release provenance -version VERSION -registry REGISTRY -revision REV FILE ...
                                                        print how the files were made (SLSA 1.0)
  release sign -key KEY FILE                            write FILE.sig and FILE.sigstore.json (ECDSA P-256)

"release COMMAND -h" prints the flags. Credentials of a registry are those of docker login.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run calls the command that args name.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *flag.FlagSet, []string, io.Writer) error{
		"index": runIndex, "push": runPush, "notes": runNotes, "provenance": runProvenance, "sign": runSign,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help") {
			return nil
		}
		return errors.New("name one of the commands index, push, notes, provenance, sign")
	}
	fs := flag.NewFlagSet("release "+args[0], flag.ContinueOnError)
	fs.SetOutput(stderr)
	return commands[args[0]](ctx, fs, args[1:], stdout)
}
