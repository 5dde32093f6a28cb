#!/usr/bin/env bash
#
# Unpacks dnsmasq, iptables and the packages that they need, for any architecture, into a
# directory that tools/debroot reads. None of their programs or scripts runs. The packages
# come from this machine's apt sources. Its own packages and apt's lists do not change.
#
#   images/debian.sh arm64 DIR    # Go's name of the architecture

set -euo pipefail
arch=${1:?} root=${2:?}
case $arch in
arm) arch=armhf ;;
386) arch=i386 ;;
ppc64le) arch=ppc64el ;;
mips64le) arch=mips64el ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
: >"$work/status"

# A configuration of apt's own: no package is installed, and all are of that architecture.
cat >"$work/apt.conf" <<EOF
APT::Architecture "$arch";
#clear APT::Architectures;
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work";
EOF
export APT_CONFIG=$work/apt.conf

apt-get -qq update >&2 || echo "apt-get update failed: trying with the lists that were read" >&2
apt-get -qq --download-only --yes install dnsmasq-base iptables base-files >&2

# dpkg's records, by which dpkg-query finds the package of a file.
info=$root/var/lib/dpkg/info
mkdir -p "$info"
for deb in "$work"/archives/*.deb; do
	dpkg-deb --extract "$deb" "$root"
	dpkg-deb --fsys-tarfile "$deb" | tar --list | sed 's,^\.,,;s,/$,,;s,^$,/.,' \
		>"$info/$(dpkg-deb --field "$deb" Package).list"
	{
		dpkg-deb --field "$deb"
		echo "Status: install ok installed"
		echo
	} >>"$root/var/lib/dpkg/status"
done

# Absolute links would lead out of the directory.
find "$root" -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do
	ln --symbolic --force --relative --no-target-directory "$root$target" "$link"
done
