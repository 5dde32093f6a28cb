// Package options parses and checks the command line of node-cache. It is pure: it opens
// no file and no socket.
package options
