#!/usr/bin/env bash
#
# Pushes the images and the chart of a release to a registry, for `make push`. Credentials
# are those of `docker login` and `helm registry login`.
#
#   VERSION=v1.2.3 REGISTRY=registry.example/dns images/push.sh
#
# Variables: VERSION and REGISTRY (must be set), OUT (dist/release/VERSION), INSECURE=1 for
# a registry without TLS.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin
if [[ ${1:-} || ! ${VERSION:-} || ! ${REGISTRY:-} ]]; then
	sed -n '/^#!/d;/^$/q;s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
out=${OUT:-dist/release/$VERSION}
[[ -e $out/SHA256SUMS ]] || {
	echo "there is no release in $out: make release VERSION=$VERSION REGISTRY=$REGISTRY" >&2
	exit 2
}
(cd "$out" && sha256sum --check --quiet SHA256SUMS)
mapfile -t archives < <(ls "$out"/*.tar)
go -C tools run ./release push ${INSECURE:+-insecure} -registry "$REGISTRY" -tag "$VERSION" "${archives[@]/#/$PWD/}"
go -C tools tool helm push ${INSECURE:+--plain-http} "$PWD/$out/kube-dns-${VERSION#v}.tgz" "oci://$REGISTRY/charts"
