#!/usr/bin/env bash
#
# Packs the four commands into container images without a container engine, for `make
# images`: archives that ctr, docker, podman and skopeo read, and an SPDX document with the
# contents of each. The Dockerfile makes the same images with a container engine.
#
#   images/build.sh                            # dist/images/*.tar, localhost/...:dev
#   REGISTRY=registry.example/dns VERSION=v1.0.0 images/build.sh
#   ctr --namespace k8s.io images import dist/images/k8s-dns-kube-dns.tar
#
# Variables: OUT (dist/images), REGISTRY (localhost), VERSION (the git tag, else the
# revision), TAG (VERSION where one is given, else dev), SOURCE_DATE_EPOCH (date of
# the commit), GOARCH (this machine's). dnsmasq, iptables and their libraries are those of
# the installed Debian packages. For another architecture apt-get downloads them, and
# installs none of them (images/debian.sh).

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin:/usr/sbin
case ${1:-} in
'') ;;
*)
	sed -n '/^#!/d;/^$/q;s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

say() { printf '%s\n' "$*" >&2; }

# The bytes of the programs do not depend on settings of this machine.
export GOFLAGS=-buildvcs=false GOAMD64=v1 GOARM=7 GOARM64=v8.0 GOPPC64=power8
umask 022

out=${OUT:-dist/images}
registry=${REGISTRY:-localhost}
tag=${TAG:-${VERSION:-dev}}
tag=${tag//[^A-Za-z0-9_.-]/-}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
created=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
arch=$(go env GOARCH)

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "building the commands, version $version"
ldflags="-s -w -X github.com/kube-dns/kube-dns/internal/cli.version=$version"
ldflags+=" -X github.com/kube-dns/kube-dns/internal/httpd.linkedRevision=$revision"
CGO_ENABLED=0 go build -trimpath -o "$work/" -ldflags "$ldflags" ./cmd/kube-dns ./cmd/dnsmasq-nanny ./cmd/sidecar
CGO_ENABLED=0 go -C cmd/node-cache build -trimpath -o "$work/" -ldflags "$ldflags" .
# The tools run here, whatever architecture the images are for.
CGO_ENABLED=0 GOOS=$(go env GOHOSTOS) GOARCH=$(go env GOHOSTARCH) \
	go build -C tools -o "$work/" ./mkimage ./debroot ./sbom

# The roots of the images with programs of Debian.
say "collecting dnsmasq, iptables and their libraries"
debian=/
if [[ $arch == "$(go env GOHOSTARCH)" ]]; then
	dnsmasq=$(hack/dnsmasq.sh)
	[[ $dnsmasq == /usr/sbin/dnsmasq ]] || {
		say "dnsmasq is at $dnsmasq: the images need Debian's, at /usr/sbin/dnsmasq"
		exit 1
	}
	[[ -x /usr/sbin/xtables-nft-multi ]] || {
		say "there is no /usr/sbin/xtables-nft-multi: apt-get install iptables"
		exit 1
	}
else
	debian=$work/debian
	images/debian.sh "$arch" "$debian"
fi
packages=$("$work/debroot" -root "$debian" -o "$work/dnsmasq-root" /usr/sbin/dnsmasq)
images/root.sh nanny "$work/dnsmasq-root"
# iptables loads its matches and targets by name, from the folder of its library.
mapfile -t xtables < <(cd "$debian" && ls -d usr/sbin/xtables-{nft,legacy}-multi usr/lib/*/xtables/libxt_*.so)
"$work/debroot" -root "$debian" -o "$work/iptables-root" "${xtables[@]/#//}" >/dev/null
images/root.sh node-cache "$work/iptables-root"
images/root.sh static "$work/static-root"
dnsmasq_version=$(awk '$1 == "dnsmasq-base" { print $2 }' <<<"$packages")

# licenses prints the license expression of the image, which is the first package.
licenses() {
	sed -n 's/^ *"licenseDeclared": "\(.*\)",$/\1/;T;p;q' "$1"
}

# pack COMMAND IMAGE ROOT TITLE [FLAG ...]
pack() {
	local command=$1 image=$2 root=$3 title=$4
	shift 4
	local top=$work/top-$command name=$registry/$image:$tag
	mkdir -p "$top/usr/share/kube-dns"
	cp "$work/$command" "$top/$command"
	printf '%s %s\n' "$command" "$version" >"$top/usr/share/kube-dns/version"
	[[ $command != dnsmasq-nanny ]] || printf 'dnsmasq %s\n' "$dnsmasq_version" >>"$top/usr/share/kube-dns/version"
	cp LICENSE "$top/usr/share/kube-dns/LICENSE"
	images/licenses.sh "cmd/$command" "$top/usr/share/kube-dns/licenses"
	# The contents of both layers, for the SPDX document.
	mkdir "$work/all-$command"
	cp -r "$root/." "$top/." "$work/all-$command/"
	"$work/sbom" -name "$image" -version "$version" -created "$created" "$work/all-$command" >"$out/$image.spdx.json"
	cp "$out/$image.spdx.json" "$top/usr/share/kube-dns/sbom.spdx.json"
	"$work/mkimage" -o "$out/$image.tar" -name "$name" -arch "$arch" -created "$created" \
		-entrypoint "/$command" -stop-signal SIGTERM \
		-label "org.opencontainers.image.title=$image" \
		-label "org.opencontainers.image.description=$title" \
		-label "org.opencontainers.image.version=$version" \
		-label "org.opencontainers.image.revision=$revision" \
		-label "org.opencontainers.image.created=$(date -u -d "@$created" +%Y-%m-%dT%H:%M:%SZ)" \
		-label "org.opencontainers.image.source=https://github.com/kube-dns/kube-dns" \
		-label "org.opencontainers.image.licenses=$(licenses "$out/$image.spdx.json")" \
		"$@" "$root" "$top"
	say "$out/$image.tar ($name)"
}

pack kube-dns k8s-dns-kube-dns "$work/static-root" \
	"Answers DNS queries for the Services, endpoints and pods of a cluster" -user 65532:65532
pack dnsmasq-nanny k8s-dns-dnsmasq-nanny "$work/dnsmasq-root" \
	"Runs dnsmasq in front of kube-dns and keeps it running" \
	-label "io.github.kube-dns.dnsmasq.version=$dnsmasq_version"
pack sidecar k8s-dns-sidecar "$work/static-root" \
	"Probes the DNS servers of a kube-dns pod and exports their metrics" -user 65532:65532
pack node-cache k8s-dns-node-cache "$work/iptables-root" \
	"Answers DNS queries on each node from a cache in front of kube-dns"
