#!/bin/bash
# Packs the images that the node runs into DIR: the four commands, as `make images`
# does, those of an earlier revision with the tag "previous", the test pods, what holds
# a pod's namespaces, and CoreDNS. Builds the kubectl plugin next to them.
#
#   images.sh DIR
#   PREVIOUS=v1.0.0 images.sh DIR    # default: the tag before this revision, else its parent
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

OUT=$out REGISTRY=localhost TAG=dev images/build.sh
previous=${PREVIOUS:-$(git describe --tags --abbrev=0 HEAD^ 2>/dev/null || git rev-parse -q --verify HEAD^ || echo HEAD)}
mkdir "$work/source"
git archive "$previous" | tar -x -C "$work/source"
OUT=$work/previous REGISTRY=localhost TAG=previous VERSION=$(git describe --tags --always "$previous") \
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$previous") "$work/source/images/build.sh"
for image in kube-dns dnsmasq-nanny sidecar; do
	mv "$work/previous/k8s-dns-$image.tar" "$out/previous-$image.tar"
done
mkdir "$work/testpod"
CGO_ENABLED=0 go build -C e2e -trimpath -ldflags '-s -w' -o "$work/testpod/" ./node/testpod
go build -C tools -o "$work/" ./mkimage ./debroot
# A C library's resolver too: it searches and fails in its own way.
"$work/debroot" -o "$work/root" "$(command -v getent)" >/dev/null
mkdir -p "$work/root/etc"
printf 'hosts: files dns\n' >"$work/root/etc/nsswitch.conf"
"$work/mkimage" -o "$out/testpod.tar" -name localhost/testpod:1 -entrypoint /testpod "$work/root" "$work/testpod"
"$work/mkimage" -o "$out/pause.tar" -name localhost/pause:1 -entrypoint '/testpod pause' "$work/testpod"

go build -C cmd/kubectl-kubedns -trimpath -ldflags '-s -w' -o "$out/kubectl-kubedns" .
mkdir "$work/coredns"
cp "$(e2e/coredns.sh)" "$work/coredns/coredns"
"$work/mkimage" -o "$out/coredns.tar" -name localhost/coredns:1 -entrypoint /coredns "$work/coredns"
