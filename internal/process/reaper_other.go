//go:build !linux

package process

import "syscall"

// bindToParent does nothing: only Linux has it.
func bindToParent(*syscall.SysProcAttr) {}

// adoptOrphans does nothing: init reaps what our children leave behind.
func adoptOrphans() {}
