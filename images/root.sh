#!/usr/bin/env bash
#
# Adds to the root folder of an image what is no package of Debian's: users, dnsmasq's
# configuration, folders. Used by images/build.sh and the Dockerfile.
#
#   images/root.sh static DIR    # kube-dns, sidecar
#   images/root.sh nanny DIR     # dnsmasq-nanny

set -euo pipefail
kind=${1:?} root=${2:?}

mkdir -p "$root/etc"
mkdir -m 1777 "$root/tmp"
{
	echo 'root:x:0:0:root:/:/sbin/nologin'
	echo 'nobody:x:65534:65534:nobody:/:/sbin/nologin'
	echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin'
} >"$root/etc/passwd"
{
	echo 'root:x:0:'
	echo 'dip:x:30:' # the group that Debian's dnsmasq takes
	echo 'nogroup:x:65534:'
	echo 'nonroot:x:65532:'
} >"$root/etc/group"

if [[ $kind == nanny ]]; then
	# Staying root is what manifests of old expect: their capabilities do not
	# suffice for a change of user. Without root from the start it has no effect.
	echo 'user=root' >"$root/etc/dnsmasq.conf"
	# Where the ConfigMap is mounted, and where dnsmasq writes its process number.
	mkdir -p "$root/etc/k8s/dns/dnsmasq-nanny" "$root/var/run" "$root/run"
fi
