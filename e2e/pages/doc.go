// Package pages tests the status pages of the commands in a browser: the first screen in each kind
// of trouble, contrast, keyboard, small screens, and that nothing is loaded from elsewhere. It
// needs Chromium: make pages.
package pages
