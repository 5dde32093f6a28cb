package cli

// Seams for the tests of this package.
var (
	ExitCode     = exitCode
	Usage        = usageError
	VersionOf    = versionOf
	NotifyStopOn = notifyStop
	Report       = report
	StopLogging  = stopLogging
)
