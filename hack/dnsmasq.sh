#!/usr/bin/env bash
#
# Prints the path of dnsmasq, for `make run` and `make test`. If it is missing, on Debian the
# package dnsmasq-base is installed first: as root, or by sudo without a password.

set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
find_it() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v dnsmasq; }

find_it && exit

sudo=()
if ((EUID != 0)); then
	sudo=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${sudo[@]}" true 2>/dev/null; then
	say "dnsmasq is missing: install it (Debian: sudo apt-get install dnsmasq-base), then try again"
	exit 1
fi
say "dnsmasq is missing: installing it (package dnsmasq-base)..."
"${sudo[@]}" apt-get update -qq >&2 || true # old lists may be good enough
if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends dnsmasq-base >/dev/null; then
	say "dnsmasq cannot be installed: see above, then install the package dnsmasq-base by hand"
	exit 1
fi
find_it || {
	say "the package dnsmasq-base is installed, but has no dnsmasq"
	exit 1
}
