// Package cli is the shell around the three commands: logging flags, the version, exit codes and
// signals. Only this package imports klog; all other packages use a *slog.Logger.
//
// A command's main is one line:
//
//	func main() { os.Exit(cli.Main(run)) }
//
// and its run parses flags with [ParseGNU] or [ParseGo], gets its contexts from [NotifyStop], and
// returns an error with an exit code ([Failed], [Fatal]).
//
// klog has one global state. Parsing the logging flags of any flag set changes it.
package cli
