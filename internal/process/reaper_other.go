//go:build !linux

package process

import "syscall"

// bindToParent does nothing: only Linux supports it.
func bindToParent(*syscall.SysProcAttr) {}

// adoptOrphans does nothing: init reaps the orphans of our children.
func adoptOrphans() {}
