#!/bin/bash
# Runs the node tests: a real one-node Kubernetes in a network namespace of its
# own, our pod on it from the manifests, asked from other pods.
#
#   run.sh [go test flags]      for example: run.sh -run 'TestNode/names$'
#   run.sh --clean              takes down what a run left that was killed
#
# Needs root, Go, kubectl, openssl, curl, dnsmasq and, from Debian, containerd,
# runc, containernetworking-plugins, iptables, nftables, conntrack and iproute2:
# what is missing of these is installed where there is apt-get. The first run
# builds the control plane (cluster/build.sh: 4 to 10 minutes on two cores,
# once). One run at a time. Environment, all optional:
#
#   KUBE_DNS_E2E_KEEP=1     leave the node running afterwards; --clean ends it
#   KUBE_DNS_NODE_DIR=DIR   where the node lives (TMPDIR or /tmp, kube-dns-e2e-node)
#   KUBE_DNS_NODE_PROXY=iptables  the mode of kube-proxy (nftables)
set -uo pipefail

cd "$(dirname "$0")" || exit 1
export PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
dir=${KUBE_DNS_NODE_DIR:-${TMPDIR:-/tmp}/kube-dns-e2e-node}
say() { printf '%s e2e-cluster: %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

case ${1:-} in
-h | --help)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' run.sh
	exit 0
	;;
esac
[ "$(id -u)" = 0 ] || die "needs root: a node makes network namespaces, mounts and cgroups (sudo -E make e2e-cluster)"
mkdir -p "$dir" || exit 1
exec 8>"$dir.lock"
flock -n 8 || die "another run uses $dir: one node at a time"
if [ "${1:-}" = --clean ]; then
	./node-down.sh "$dir" --purge 8>&- || exit 1
	rm -rf "${dir:?}/images" "${dir:?}/node.test" "$dir.log"
	rmdir "$dir" 2>/dev/null
	exit 0
fi

# ---- what must be installed ---------------------------------------------------
missing=()
for tool in containerd:containerd runc:runc iptables:iptables nft:nftables conntrack:conntrack \
	ip:iproute2 nsenter:util-linux openssl:openssl curl:curl /usr/sbin/dnsmasq:dnsmasq-base \
	/usr/lib/cni/bridge:containernetworking-plugins; do
	command -v "${tool%:*}" >/dev/null || missing+=("${tool##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	command -v apt-get >/dev/null || die "not installed: ${missing[*]} (Debian's names)"
	say "installing ${missing[*]}"
	{
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq -o DPkg::Lock::Timeout=300 update
		apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends -y "${missing[@]}"
	} >"$dir.apt.log" 2>&1 8>&- || die "apt-get: $(tail -n 3 "$dir.apt.log") (see $dir.apt.log)"
	rm -f "$dir.apt.log"
fi
command -v go >/dev/null || die "there is no go command: install Go (https://go.dev/dl)"
command -v kubectl >/dev/null || die "there is no kubectl command: install one of the versions next to $(
	awk '$1 == "k8s.io/kubernetes" { print $2; exit }' ../go.mod)"

# ---- run ----------------------------------------------------------------------
# Children run in the background, so that a signal is acted upon at once, and in
# groups of their own, so that Ctrl-C reaches this script alone, which ends them.
set -m
child=
step() {
	"$@" 8>&- &
	child=$!
	wait "$child"
	local code=$?
	child=
	return $code
}
# shellcheck disable=SC2317 # called by the trap
finish() {
	local code=$?
	trap '' INT TERM HUP # the rest takes some seconds and must not be cut
	trap - EXIT
	if [ -n "$child" ]; then
		kill -TERM -- "-$child" 2>/dev/null
		wait "$child" 2>/dev/null
	fi
	if [ "${KUBE_DNS_E2E_KEEP:-}" = 1 ]; then
		say "kept: KUBECONFIG=$dir/kubeconfig; end it with $PWD/run.sh --clean"
		exit "$code"
	fi
	if [ "$code" != 0 ] && [ -d "$dir/log" ]; then
		rm -rf "$dir.log"
		cp -r "$dir/log" "$dir.log"
		say "the logs of the node and of all pods are kept in $dir.log"
	fi
	say "taking the node down"
	./node-down.sh "$dir" --purge 8>&- || { code=1; say "run.sh --clean tries again"; }
	[ "$code" != 0 ] || rm -rf "$dir.log"
	rm -rf "${dir:?}/images" "${dir:?}/node.test"
	rmdir "$dir" 2>/dev/null
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

began=$SECONDS
# What a killed run left, if any: but not a node that was kept.
if [ ! -s "$dir/run/kubelet.pid" ] || [ "${KUBE_DNS_E2E_KEEP:-}" != 1 ]; then
	step ./node-down.sh "$dir" --purge || exit 1
fi
bin=$(../cluster/build.sh 8>&-) || exit 1
export CLUSTER_BIN=$bin CLUSTER_PROXY_MODE=${KUBE_DNS_NODE_PROXY:-nftables}
say "packing images"
step ./images.sh "$dir/images" || die "cannot pack the images"
say "building the tests"
step go test -tags node -c -o "$dir/node.test" . || exit 1
step ./node-up.sh "$dir" "$dir"/images/*.tar || exit 1
say "running the tests"
args=()
for arg in "$@"; do # as go test does for its own flags
	case $arg in
	-test.*) ;;
	-*) arg=-test.${arg#-} ;;
	esac
	args+=("$arg")
done
netns=$(cat "$dir/run/netns")
step env KUBE_DNS_NODE_DIR="$dir" nsenter "--net=$netns" -- \
	"$dir/node.test" -test.v -test.timeout=60m "${args[@]}"
code=$?
say "done in $((SECONDS - began)) s"
exit "$code"
