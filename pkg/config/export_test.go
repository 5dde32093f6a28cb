package config

// Seams for the tests of this package.
var (
	ParseResolvConf = parseResolvConf
	Read            = readDir
	Warnings        = warnings
)

const MaxUpstreams = maxUpstreams
