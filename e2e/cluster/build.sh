#!/bin/bash
# Builds the programs of a Kubernetes control plane (and node) as one binary,
# kubebox, with a symbolic link for each name, and prints the folder that
# holds them.
#
#   build.sh            build unless the cache has it; print the folder
#   build.sh --path     print the folder without building
#
# The folder is ${XDG_CACHE_HOME:-$HOME/.cache}/kube-dns-e2e/HASH, where HASH
# is that of kubebox's source, of e2e's go.mod and go.sum, and of the Go version:
# another clone of the same commit finds the same binary. It takes 150 MB and is safe to delete.
#
# The first build downloads about 93 MB of modules and compiles some 1,950
# packages: 4 to 10 minutes on two cores. KUBEBOX_NICE (5) is its niceness.
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

command -v go >/dev/null || die "no go command in PATH: install Go (see go.mod for the version)"

module=$(cd "$HERE/.." && pwd)
version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$module/go.mod")
[ -n "$version" ] || die "$module/go.mod names no version of k8s.io/kubernetes"
go_version=$(cd "$module" && go env GOVERSION GOOS GOARCH | tr '\n' ' ')
hash=$({
	cat "$module/go.mod" "$module/go.sum" "$HERE/kubebox/main.go"
	printf '%s\n' "$go_version"
} | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kube-dns-e2e
dir=$cache/$hash

case ${1:-} in
'') ;;
--path)
	printf '%s\n' "$dir"
	exit 0
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac

# One build at a time: the second one waits and then finds the binary.
mkdir -p "$dir" || die "cannot make $dir"
exec 9>"$dir/.lock"
if ! flock -n 9; then
	say "another build of kubebox is under way: waiting for it"
	flock 9
fi

names=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
if [ ! -x "$dir/kubebox" ]; then
	log=$dir/build.log
	say "building kubebox ($version, $go_version): once, 4 to 10 minutes on two cores; log $log"
	x=k8s.io/component-base/version
	minor=${version#v1.}
	flags="-s -w -X $x.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version"
	flags+=" -X $x.gitMajor=1 -X $x.gitMinor=${minor%%.*}"
	trap 'kill "$build" 2>/dev/null; rm -f "$dir/kubebox.new"; die "interrupted"' INT TERM
	CGO_ENABLED=0 nice -n "${KUBEBOX_NICE:-5}" \
		go -C "$module" build -v -tags kubebox -ldflags "$flags" -o "$dir/kubebox.new" ./cluster/kubebox >"$log" 2>&1 9>&- &
	build=$!
	ticks=0
	while kill -0 "$build" 2>/dev/null; do
		sleep 1
		ticks=$((ticks + 1))
		[ $((ticks % 20)) -ne 0 ] ||
			say "kubebox: ${ticks} s, $(grep -c '^go: downloading' "$log") modules downloaded," \
				"$(grep -vc '^go:' "$log") of about 1,950 packages compiled"
	done
	if ! wait "$build"; then
		tail -n 20 "$log" >&2
		die "kubebox does not build: see $log"
	fi
	mv "$dir/kubebox.new" "$dir/kubebox" || die "cannot write $dir/kubebox"
	say "kubebox built in $ticks s: $dir/kubebox"
fi
for name in "${names[@]}"; do
	[ -L "$dir/$name" ] || ln -sf kubebox "$dir/$name" || die "cannot link $dir/$name"
done
printf '%s\n' "$dir"
