// Package statuspage serves the page with the state of one command for operators: as HTML for a
// browser, as text for curl, and as JSON. The commands provide the content.
package statuspage
