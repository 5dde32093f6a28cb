package process

import "syscall"

// bindToParent has the kernel end a child when the thread that started it ends.
func bindToParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// adoptOrphans makes the processes that our children leave behind ours, as if
// we were the init process. That it fails, on a kernel before 3.4, is no harm:
// somebody else reaps them then.
func adoptOrphans() {
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}
