#!/usr/bin/env bash
#
# Adds users, dnsmasq's configuration, iptables' names and directories to the root directory
# of an image. Used by images/build.sh and the Dockerfile.
#
#   images/root.sh static DIR    # kube-dns, sidecar
#   images/root.sh nanny DIR     # dnsmasq-nanny
#   images/root.sh node-cache DIR

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
	echo 'dip:x:30:' # the group of Debian's dnsmasq
	echo 'nogroup:x:65534:'
	echo 'nonroot:x:65532:'
} >"$root/etc/group"

if [[ $kind == nanny ]]; then
	# Old manifests require that dnsmasq stays root: their capabilities do not allow a
	# change of user. A dnsmasq that does not start as root ignores this.
	echo 'user=root' >"$root/etc/dnsmasq.conf"
	# For the mounted ConfigMap, and for dnsmasq's pid file.
	mkdir -p "$root/etc/k8s/dns/dnsmasq-nanny" "$root/var/run" "$root/run"
fi

if [[ $kind == node-cache ]]; then
	# The names of iptables' programs. As in Debian, those without a backend use nf_tables.
	for name in iptables ip6tables; do
		for task in '' -save -restore; do
			ln -s xtables-nft-multi "$root/usr/sbin/$name$task"
			ln -s xtables-nft-multi "$root/usr/sbin/$name-nft$task"
			ln -s xtables-legacy-multi "$root/usr/sbin/$name-legacy$task"
		done
	done
	mkdir -p "$root/run"
fi
