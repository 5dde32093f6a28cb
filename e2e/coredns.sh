#!/bin/bash
# Prints the path of a CoreDNS with all plugins of its release. The first time it is built
# from its Go module, which takes 2 to 10 minutes. COREDNS=path: this one instead.
set -euo pipefail

COREDNS_VERSION=v1.15.0
dir=${XDG_CACHE_HOME:-$HOME/.cache}/kube-dns-bench/coredns-$COREDNS_VERSION
binary=${COREDNS:-$dir/coredns}
if [ ! -x "$binary" ]; then
	[ -z "${COREDNS-}" ] || { echo "COREDNS=$COREDNS: there is no such program" >&2; exit 1; }
	echo "building CoreDNS $COREDNS_VERSION: once, 2 to 10 minutes" >&2
	cd /
	CGO_ENABLED=0 GOBIN=$dir nice -n 5 go install -ldflags '-s -w' "github.com/coredns/coredns@$COREDNS_VERSION" >&2
fi
echo "$binary"
