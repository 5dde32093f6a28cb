package process

import "syscall"

// bindToParent sets a child to get SIGTERM when the thread that started it exits.
func bindToParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// adoptOrphans makes the orphans of our children ours, as if we were the init process. A failure,
// on a kernel before 3.4, does not matter: another process reaps them then.
func adoptOrphans() {
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}
