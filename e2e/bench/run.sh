#!/bin/bash
# Measures kube-dns and other DNS servers and prints tables; `make bench` calls it.
# Results: out/results.json, logs and queries in the same directory.
#
#   run.sh [flags of "bench run"]     for example: run.sh -sets large -turns 5
#
# Needs two cores at least, and a quiet machine: the first serves, the second
# asks. Everything is on loopback addresses. Environment, all optional:
#
#   QUICK=1          the small data set, two short turns, no growing cluster
#   PEERS=kube-dns,coredns
#                    only these servers (see "bench report" for their names)
#   PAGE=1           put the results into docs/performance.md
#   COREDNS=path     a CoreDNS to measure, instead of building the pinned one
#
# The other servers: CoreDNS is built from its Go module, once, which takes 2 to
# 10 minutes. NSD, Knot DNS and dnsperf are Debian's packages; what is missing is
# installed where this runs as root, without starting the services, and left
# out elsewhere. The control plane is e2e's, built once in 4 to 10 minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
case ${1-} in
-h | --help)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
	exit 0
	;;
esac
export PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() {
	printf 'bench: %s\n' "$*" >&2
	exit 1
}

(($(nproc) >= 2)) || die "two processor cores are needed, one for the server and one for the questions"
for tool in go taskset openssl curl; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
bin=$here/out/bin
mkdir -p "$bin"

say "building the four commands, the loader and bench"
CGO_ENABLED=0 go build -C "$root" -trimpath -ldflags '-s -w' -o "$bin/" ./cmd/kube-dns ./cmd/dnsmasq-nanny ./cmd/sidecar
CGO_ENABLED=0 go build -C "$root/cmd/node-cache" -trimpath -ldflags '-s -w' -o "$bin/" .
CGO_ENABLED=0 go build -C "$root/e2e" -o "$bin/load" ./cluster/load
CGO_ENABLED=0 go build -C "$root/e2e" -o "$bin/bench" ./bench
"$root/e2e/cluster/build.sh" >/dev/null

args=(-out "$here/out" -cluster "$here/cluster.sh")
for name in kube-dns dnsmasq-nanny sidecar node-cache; do args+=(-bin "$name=$bin/$name"); done
args+=(-commit "$(git -C "$root" describe --tags --always --dirty 2>/dev/null || echo unknown)")

# shellcheck source=peers.sh
. "$here/peers.sh"
find_peers

if [ "${QUICK-}" = 1 ]; then
	args+=(-sets small -turns 2 -seconds 0.7 -settle 2 -phases "mixes,changes")
fi
[ -z "${PEERS-}" ] || args+=(-peers "$PEERS")
BENCH_LOADER=$bin/load "$bin/bench" run "${args[@]}" "$@"
say "results: $here/out/results.json"
if [ "${PAGE-}" = 1 ]; then
	"$bin/bench" report -in "$here/out/results.json" -page "$root/docs/performance.md"
	say "written: docs/performance.md"
fi
