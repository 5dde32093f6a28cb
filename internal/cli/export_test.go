package cli

// Seams for the tests of this package.
var (
	VersionOf    = versionOf
	NotifyStopOn = notifyStop
	Report       = report
	StopLogging  = stopLogging
)
