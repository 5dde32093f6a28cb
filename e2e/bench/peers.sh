# shellcheck shell=bash
# Finds the other servers that are measured. Sourced by run.sh.

# find_peers adds -bin and -version flags to args for what there is.
find_peers() {
	install_packages
	coredns || say "no CoreDNS: it is left out"
	local program version
	for program in dnsmasq nsd knotd dnsperf; do
		if ! command -v "$program" >/dev/null; then
			say "$program is not installed: servers that need it are left out"
			continue
		fi
		case $program in
		dnsmasq) version=$(dnsmasq --version | awk 'NR == 1 { print $3 }') ;;
		nsd) version=$(nsd -v 2>&1 | awk 'NR == 1 { print $3 }') ;;
		knotd) version=$(knotd -V | awk '{ print $NF; exit }') ;;
		dnsperf) version=$(dnsperf -h 2>&1 | awk '/Version/ { print $NF; exit }') ;;
		esac
		args+=(-bin "$program=$(command -v "$program")" -version "$program=$version")
	done
}

# install_packages installs what is missing, where that can be done.
install_packages() {
	local missing=() program
	for program in dnsmasq:dnsmasq-base nsd:nsd knotd:knot dnsperf:dnsperf; do
		command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
	done
	((${#missing[@]} > 0 && EUID == 0)) && command -v apt-get >/dev/null || return 0
	say "installing ${missing[*]}"
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then # keeps the packages from starting their services
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	apt-get update -qq >&2 || true
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
		say "some packages could not be installed"
	if trap -p EXIT | grep -q policy-rc; then
		rm -f "$policy"
		trap - EXIT
	fi
}

# coredns finds CoreDNS as it is released, all its plugins included.
coredns() {
	local binary
	binary=$("$(dirname "${BASH_SOURCE[0]}")/../coredns.sh") || return 1
	args+=(-bin "coredns=$binary" -version "coredns=$("$binary" -version | awk -F- 'NR == 1 { print $2 }')")
}
