// Package ask sends DNS queries over TCP, and returns the replies in a form that can be
// compared.
package ask
