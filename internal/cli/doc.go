// Package cli is the shell around the three commands: logging flags, the
// version, exit codes and signals. It is the only package that knows klog; all
// others take a *slog.Logger.
//
// A command's main is one line:
//
//	func main() { os.Exit(cli.Main(run)) }
//
// and its run parses flags with [ParseGNU] or [ParseGo], gets its contexts from
// [NotifyStop], and returns an error that carries the exit code ([Usage],
// [Listen], [Fatal]).
//
// The state of klog is one per process. Parsing the logging flags changes it
// for everybody, whatever flag set they were registered in.
package cli
