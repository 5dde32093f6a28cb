#!/bin/bash
# Runs the end-to-end tests: the commands against a real control plane,
# asked through a real dnsmasq, all on loopback.
#
#   run.sh [go test flags]        for example: run.sh -run 'TestConformance/slices'
#
# The first run builds the control plane (cluster/build.sh: 4 to 10 minutes on
# two cores, once); after that it takes about six minutes.
# Needs Go, dnsmasq, openssl and curl; not root. Environment, all optional:
#
#   KUBE_DNS_E2E_KEEP=1           keep logs and configuration, not only after a failure
#   KUBE_DNS_E2E_BUILDFLAGS=-race flags for building the commands
set -euo pipefail

cd "$(dirname "$0")"
case ${1:-} in
-h | --help)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' run.sh
	exit 0
	;;
esac
missing=()
for tool in go openssl curl; do
	command -v "$tool" >/dev/null || missing+=("$tool")
done
[ -x /usr/sbin/dnsmasq ] || missing+=(/usr/sbin/dnsmasq)
if [ ${#missing[@]} -gt 0 ]; then
	echo "e2e: not installed: ${missing[*]} (Debian: apt-get install dnsmasq-base openssl curl)" >&2
	exit 1
fi
cluster/build.sh >/dev/null
./coredns.sh >/dev/null # moves of a cluster begin at CoreDNS
exec go test -count=1 -v -timeout=30m "$@" .
