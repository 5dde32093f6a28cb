#!/bin/bash
# Stops what node-up.sh started in DIR: pods, node and control plane, by the
# recorded pids and through the node's own containerd, never by name. It also
# finishes what an earlier node-up.sh or node-down.sh left half done.
#
#   node-down.sh DIR [--purge]
#
# --purge also removes the data, certificates, images and logs. It fails, and
# says what, when anything of the node is still there.
set -uo pipefail

NODE_HERE=$(cd "$(dirname "$0")" && pwd)
HERE=$(cd "$NODE_HERE/../cluster" && pwd)
[ $# -ge 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
[ -d "$1" ] || exit 0
DIR=$(cd "$1" && pwd)
# shellcheck source=../cluster/lib.sh
. "$HERE/lib.sh"
# shellcheck source=node-lib.sh
. "$NODE_HERE/node-lib.sh"
[ -d "$DIR/run" ] || exit 0

stop kubelet 15
stop kube-proxy 5
stop kube-scheduler 5

# Processes of this node: in its network namespace, or in its cgroup. Both were
# made by node-up.sh, so all of these descend from it; not so the processes
# that a test put there by itself, which are this script's ancestors at most.
members() {
	local p ours=" $$ "
	p=$$
	while [ "${p:-0}" -gt 1 ]; do
		p=$(awk '/^PPid:/ { print $2 }' "/proc/$p/status" 2>/dev/null)
		ours+="$p "
	done
	{
		[ ! -e "/run/netns/$NETNS" ] || ip netns pids "$NETNS"
		cgroup_mounts | while read -r mount; do
			[ ! -d "$mount/$CGROUP" ] || find "$mount/$CGROUP" -name cgroup.procs -exec cat {} +
		done
	} 2>/dev/null | sort -un | while read -r p; do
		case $ours in *" $p "*) ;; *) printf '%s\n' "$p" ;; esac
	done
}

if alive containerd; then
	for _ in 1 2 3 4 5; do
		ids=$(ctr_k8s containers list -q)
		[ -n "$ids" ] || break
		for c in $ids; do
			ctr_k8s tasks delete --force "$c" >/dev/null 2>&1
			ctr_k8s containers delete "$c" >/dev/null 2>&1
		done
	done
	stop containerd 10
fi

# There is no control plane when node-up.sh was cut short before it.
[ ! -d "$DIR/pki" ] || "$HERE/down.sh" "$DIR"

# A container that was just starting or stopping can leave its shim behind.
for _ in 1 2 3; do
	left=$(members)
	[ -n "$left" ] || break
	for p in $left; do
		say "left behind, killing: $p $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null)"
		kill -KILL "$p" 2>/dev/null
	done
	sleep 0.3
done

# What the node mounted, deepest first.
mounts() { awk -v d="$DIR/" 'index($2, d) == 1 { print $2 }' /proc/self/mounts | sort -r; }
mounts | while read -r m; do umount "$m" 2>/dev/null || umount -l "$m"; done

if [ -e "/run/netns/$NETNS" ]; then
	ip link del "$LINK" 2>/dev/null
	ip netns del "$NETNS"
fi
# The kubelet's links to the pods' logs: their folder is not an option of it.
find /var/log/containers -maxdepth 1 -type l -lname "$DIR/*" -delete 2>/dev/null
# rmdir takes empty cgroups only, so nothing that still runs is lost.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	cgroup_mounts | while read -r mount; do
		[ ! -d "$mount/$CGROUP" ] || find "$mount/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	cgroup_mounts | while read -r mount; do [ ! -d "$mount/$CGROUP" ] || echo x; done | grep -q x || break
	sleep 0.2
done
if [ -s "$DIR/run/tunables" ]; then
	while IFS= read -r line; do sysctl -qw "$line"; done <"$DIR/run/tunables"
	rm -f "$DIR/run/tunables"
fi

# Nothing may be left, and it's better to hear of it now.
fail=0
left() { say "error: still there: $*"; fail=1; }
for p in $(members); do left "process $p $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null)"; done
for m in $(mounts); do left "mount $m"; done
[ ! -e "/run/netns/$NETNS" ] || left "network namespace $NETNS"
[ ! -e "/sys/class/net/$LINK" ] || left "network device $LINK"
for mount in $(cgroup_mounts); do
	[ ! -d "$mount/$CGROUP" ] || left "cgroup $mount/$CGROUP"
done

if [ "${2:-}" = --purge ] && [ "$fail" = 0 ]; then
	[ ! -d "$DIR/pki" ] || "$HERE/down.sh" "$DIR" --purge
	rm -rf "${DIR:?}/containerd" "${DIR:?}/kubelet" "${DIR:?}/log" "${DIR:?}/etc" "${DIR:?}/run"
fi
exit $fail
