#!/usr/bin/env bash
#
# Makes everything that a release has, for `make release`: images of all architectures in
# one index each, the chart, an install file for each overlay, the kubectl plugin, SBOMs,
# provenance, notes and checksums. It needs Go modules and Debian packages, and no registry.
#
#   VERSION=v1.2.3 REGISTRY=registry.example/dns images/release.sh
#   VERSION=v1.2.3 ARCHS=amd64 images/release.sh        # for a look
#
# Variables: VERSION (must be set), REGISTRY (localhost) where the images will be, OUT
# (dist/release/VERSION), ARCHS (amd64 arm64 arm ppc64le s390x), SIGN_KEY: a file with a
# private key of openssl or cosign, which signs the checksums, and COSIGN_PASSWORD for one of
# cosign; SOURCE_DATE_EPOCH (date of the commit).

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin:/usr/sbin
if [[ ${1:-} ]]; then
	sed -n '/^#!/d;/^$/q;s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi

say() { printf '%s\n' "$*" >&2; }

# As in images/build.sh.
export GOFLAGS=-buildvcs=false GOAMD64=v1 GOARM64=v8.0
umask 022

version=${VERSION:-}
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || {
	say "VERSION=$version: set the version of the release, for example VERSION=v1.2.3"
	exit 2
}
registry=${REGISTRY:-localhost}
out=${OUT:-dist/release/$version}
archs=${ARCHS:-amd64 arm64 arm ppc64le s390x}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
[[ -z ${SIGN_KEY:-} || -r $SIGN_KEY ]] || {
	say "SIGN_KEY=$SIGN_KEY cannot be read"
	exit 2
}
[[ -z $(git status --porcelain 2>/dev/null) ]] || say "the checkout has changes that no revision names"

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools() { env -u GOARCH go build -C tools -o "$work/" "$@"; }
tools ./release ./manifests helm.sh/helm/v4/cmd/helm

for arch in $archs; do
	say "images for $arch"
	GOARCH=$arch OUT=$work/$arch REGISTRY=$registry TAG=$version images/build.sh
	for sbom in "$work/$arch"/*.spdx.json; do
		cp "$sbom" "$out/$(basename "$sbom" .spdx.json)_$arch.spdx.json"
	done
done
for archive in "$work/${archs%% *}"/*.tar; do
	image=$(basename "$archive" .tar)
	archives=()
	for arch in $archs; do archives+=("$work/$arch/$image.tar"); done
	"$work/release" index -o "$out/$image.tar" -name "$registry/$image:$version" \
		-created "$SOURCE_DATE_EPOCH" "${archives[@]}"
	say "$out/$image.tar ($registry/$image:$version; $archs)"
done

# The times in the chart's archive are those of its files.
cp -R charts/kube-dns "$work/kube-dns"
cp LICENSE "$work/kube-dns/"
grep -q '^  registry: ""' "$work/kube-dns/values.yaml" || {
	say "charts/kube-dns/values.yaml: there is no line image.registry to set"
	exit 1
}
sed -i "s|^  registry: \"\".*|  registry: \"$registry\"|" "$work/kube-dns/values.yaml"
find "$work/kube-dns" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
TZ=UTC "$work/helm" package "$work/kube-dns" --version "${version#v}" --app-version "$version" \
	--destination "$out" >/dev/null
say "$out/kube-dns-${version#v}.tgz"

for overlay in manifests/overlays/*/; do
	name=$(basename "$overlay")
	[[ $name != example ]] || continue
	{
		echo "# kube-dns $version, overlay $name, for the zone cluster.local and the address 10.96.0.10"
		echo "# of the Service kube-dns. For others:"
		echo "#   sed 's/cluster[.]local/ZONE/g;s/10[.]96[.]0[.]10/ADDRESS/g' install-$name.yaml | kubectl apply -f -"
		if [[ $name == autoscaler ]]; then
			echo "# Also replace the image of the autoscaler, localhost/cluster-proportional-autoscaler:dev."
		fi
		(cd tools && "$work/manifests" -registry "$registry" -version "$version" "overlays/$name")
	} >"$out/install-$name.yaml"
done
say "$out/install-*.yaml"

# The kubectl plugin for the machines of operators, with a manifest for krew.
platforms=""
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do
	os=${platform%/*} arch=${platform#*/} suffix=""
	[[ $os != windows ]] || suffix=.exe
	top=$work/plugin-$os-$arch name=kubectl-kubedns_${os}_$arch.tar.gz
	mkdir "$top"
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch go -C cmd/kubectl-kubedns build -trimpath -o "$top/kubectl-kubedns$suffix" \
		-ldflags "-s -w -X github.com/kube-dns/kube-dns/internal/cli.version=$version" .
	cp LICENSE cmd/kubectl-kubedns/kubectl_complete-kubedns "$top/"
	images/licenses.sh cmd/kubectl-kubedns "$top/licenses"
	tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		--mode=u=rwX,go=rX --directory "$top" . |
		gzip --no-name >"$out/$name"
	platforms+="
    - selector: {matchLabels: {os: $os, arch: $arch}}
      uri: https://github.com/kube-dns/kube-dns/releases/download/$version/$name
      sha256: $(sha256sum "$out/$name" | cut -d ' ' -f 1)
      bin: kubectl-kubedns$suffix"
	say "$out/$name"
done
cat >"$out/kubedns.yaml" <<EOF
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: kubedns
spec:
  version: $version
  homepage: https://github.com/kube-dns/kube-dns
  shortDescription: Check, explain, compare and move cluster DNS
  description: |
    Finds faults of kube-dns before users do, explains the reply that a pod gets for a name,
    compares two DNS servers, and moves a cluster between CoreDNS and kube-dns.
  platforms:$platforms
EOF

"$work/release" notes -version "$version" CHANGELOG.md >"$out/NOTES.md"
(cd "$out" && "$work/release" provenance -version "$version" -registry "$registry" -revision "$revision" -- * \
	>"$work/provenance.json")
mv "$work/provenance.json" "$out/provenance.intoto.json"
(cd "$out" && sha256sum -- * >"$work/SHA256SUMS")
mv "$work/SHA256SUMS" "$out/SHA256SUMS"
[[ -z ${SIGN_KEY:-} ]] || "$work/release" sign -key "$SIGN_KEY" "$out/SHA256SUMS"
say "$out: $(find "$out" -type f | wc -l) files, revision $revision"
