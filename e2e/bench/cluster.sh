#!/bin/bash
# A control plane (../cluster) that holds a data set.
#
#   cluster.sh up DIR NAME [LOAD...]   start one in DIR and run the loader with each LOAD
#   cluster.sh load DIR LOAD           run the loader once more
#   cluster.sh pin DIR CORES           let it run on these cores only, such as 1 or 0-1
#   cluster.sh down DIR                stop it and remove what is in DIR
#
# A LOAD is the loader's arguments as one word, such as "-services 100". What a
# LOAD has made is kept below ${XDG_CACHE_HOME:-$HOME/.cache}/kube-dns-bench, so
# that the next time takes seconds; it is safe to delete. BENCH_LOADER names the
# loader's binary.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cluster=$here/../cluster
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kube-dns-bench/cluster

usage() {
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
}

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

start() { "$cluster/up.sh" "$1" 2>&1 | grep -v 'stopped$' >&2; }

load() {
	local args
	read -r -a args <<<"$2"
	"${BENCH_LOADER:?is not set: run.sh sets it}" -kubeconfig "$1/kubeconfig" "${args[@]}" >&2
}

up() {
	local dir=$1 name=$2 kept l
	shift 2
	if [ $# -eq 0 ]; then
		start "$dir"
		return
	fi
	kept=$cache/$name-$({ "$cluster/build.sh" --path; printf '%s\n' "$@"; } | sha256sum | cut -c1-16)
	if [ ! -d "$kept" ]; then
		say "$name: loading the data, once: a minute or two"
		start "$dir"
		for l in "$@"; do load "$dir" "$l"; done
		"$cluster/down.sh" "$dir" 2>/dev/null
		mkdir -p "$cache"
		rm -rf "$kept.new"
		mkdir "$kept.new"
		cp -r "$dir/etcd" "$dir/pki" "$kept.new/"
		mv "$kept.new" "$kept"
	else
		cp -r "$kept/etcd" "$kept/pki" "$dir/"
	fi
	start "$dir"
}

pin() {
	local file pid
	for file in "$1"/run/*.pid; do
		read -r pid _ <"$file"
		taskset -acp "$2" "$pid" >/dev/null
	done
}

case ${1-} in
up) [ $# -ge 3 ] || usage; up "${@:2}" ;;
load) [ $# -eq 3 ] || usage; load "$2" "$3" ;;
pin) [ $# -eq 3 ] || usage; pin "$2" "$3" ;;
down) [ $# -eq 2 ] || usage; "$cluster/down.sh" "$2" --purge 2>/dev/null ;;
*) usage ;;
esac
