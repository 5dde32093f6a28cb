// Package statuspage serves the page on which an operator sees the state of one command:
// as HTML for a browser, as text for curl, and as JSON. The commands say what is on it.
package statuspage
