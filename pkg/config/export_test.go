package config

// Seams for the tests of this package.
var (
	Read     = readDir
	Warnings = warnings
)

const MaxUpstreams = maxUpstreams
