#!/bin/bash
# Packs the images that the node runs into DIR: the four commands, as `make images`
# does, the test pods, and what holds a pod's namespaces.
#
#   images.sh DIR
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

OUT=$out REGISTRY=localhost TAG=dev images/build.sh
mkdir "$work/testpod"
CGO_ENABLED=0 go build -C e2e -trimpath -ldflags '-s -w' -o "$work/testpod/" ./node/testpod
go build -C tools -o "$work/" ./mkimage ./debroot
# A C library's resolver too: it searches and fails in its own way.
"$work/debroot" -o "$work/root" "$(command -v getent)" >/dev/null
mkdir -p "$work/root/etc"
printf 'hosts: files dns\n' >"$work/root/etc/nsswitch.conf"
"$work/mkimage" -o "$out/testpod.tar" -name localhost/testpod:1 -entrypoint /testpod "$work/root" "$work/testpod"
"$work/mkimage" -o "$out/pause.tar" -name localhost/pause:1 -entrypoint '/testpod pause' "$work/testpod"
