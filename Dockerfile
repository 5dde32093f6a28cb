# The four images, with a container engine. `make images` makes the same without one.
#
#   docker buildx build --target kube-dns --platform linux/amd64,linux/arm64 \
#     --build-arg VERSION=v1.0.0 --build-arg REVISION=$(git rev-parse HEAD) \
#     -t registry.example/dns/k8s-dns-kube-dns:v1.0.0 --push .
#
# Targets: kube-dns, dnsmasq-nanny, sidecar, node-cache. The commands are static and run on
# nothing; dnsmasq and iptables are Debian's, with their libraries and without the rest of
# Debian.

ARG GO=golang:1.26-bookworm
ARG DEBIAN=debian:bookworm-slim

# The commands, built where the engine runs, for where they will run.
FROM --platform=$BUILDPLATFORM ${GO} AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY cmd/node-cache/go.mod cmd/node-cache/go.sum cmd/node-cache/
RUN go mod download && go -C cmd/node-cache mod download
COPY . .
ARG TARGETOS=linux TARGETARCH VERSION=devel REVISION=unknown SOURCE_DATE_EPOCH=0
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false
RUN mkdir /out /tools && \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -o /out/ \
      -ldflags "-s -w -X github.com/kube-dns/kube-dns/internal/cli.version=$VERSION \
        -X github.com/kube-dns/kube-dns/internal/httpd.linkedRevision=$REVISION" \
      ./cmd/kube-dns ./cmd/dnsmasq-nanny ./cmd/sidecar && \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go -C cmd/node-cache build -trimpath -o /out/ \
      -ldflags "-s -w -X github.com/kube-dns/kube-dns/internal/cli.version=$VERSION \
        -X github.com/kube-dns/kube-dns/internal/httpd.linkedRevision=$REVISION" . && \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -C tools -o /tools/ ./debroot && \
    go build -C tools -o /usr/local/bin/ ./sbom
RUN images/root.sh static /static
# For upstreams over TLS.
RUN install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /top/kube-dns/etc/ssl/certs/ca-certificates.crt
# Every image has its version, license texts and a list of contents.
RUN for command in kube-dns dnsmasq-nanny sidecar node-cache; do \
      share=/top/$command/usr/share/kube-dns; \
      mkdir -p $share && cp /out/$command /top/$command/ && cp LICENSE $share/ && \
      echo "$command $VERSION" >$share/version && \
      images/licenses.sh cmd/$command $share/licenses || exit 1; \
    done

# dnsmasq and iptables, for where they will run. iptables loads its matches and targets by
# name, from the folder of its library.
FROM ${DEBIAN} AS debian
RUN apt-get update && apt-get install -y --no-install-recommends dnsmasq-base iptables
COPY --from=build /tools/debroot /usr/local/bin/
COPY images/root.sh /usr/local/bin/
RUN debroot -o /root.dnsmasq /usr/sbin/dnsmasq && root.sh nanny /root.dnsmasq && \
    debroot -o /root.iptables /usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi \
      /usr/lib/*/xtables/libxt_*.so && root.sh node-cache /root.iptables

# The lists of contents.
FROM build AS listed
ARG VERSION=devel SOURCE_DATE_EPOCH=0
COPY --from=debian /root.dnsmasq /root.dnsmasq
COPY --from=debian /root.iptables /root.iptables
RUN for command in kube-dns sidecar; do \
      sbom -name k8s-dns-$command -version "$VERSION" -created "$SOURCE_DATE_EPOCH" \
        /top/$command >/sbom.json && \
      mv /sbom.json /top/$command/usr/share/kube-dns/sbom.spdx.json || exit 1; \
    done
RUN cp -r /top/dnsmasq-nanny /all && cp -r /root.dnsmasq/. /all/ && \
    sbom -name k8s-dns-dnsmasq-nanny -version "$VERSION" -created "$SOURCE_DATE_EPOCH" \
      /all >/top/dnsmasq-nanny/usr/share/kube-dns/sbom.spdx.json && \
    echo "dnsmasq $(sed -n 's/^Version: //p' /all/var/lib/dpkg/status.d/dnsmasq-base)" \
      >>/top/dnsmasq-nanny/usr/share/kube-dns/version
RUN cp -r /top/node-cache /all.node && cp -r /root.iptables/. /all.node/ && \
    sbom -name k8s-dns-node-cache -version "$VERSION" -created "$SOURCE_DATE_EPOCH" \
      /all.node >/top/node-cache/usr/share/kube-dns/sbom.spdx.json

FROM scratch AS kube-dns
COPY --from=listed /static/ /
COPY --from=listed /top/kube-dns/ /
ARG VERSION=devel REVISION=unknown
LABEL org.opencontainers.image.title="k8s-dns-kube-dns" \
      org.opencontainers.image.description="Answers DNS queries for the Services, endpoints and pods of a cluster" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="https://github.com/kube-dns/kube-dns" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND ISC AND MIT"
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/kube-dns"]

# As root, which old manifests require for port 53; the pod may choose another user
# (runAsUser, and net.ipv4.ip_unprivileged_port_start). The label names the
# licenses of the programs; the SBOM has those of all libraries.
FROM scratch AS dnsmasq-nanny
COPY --from=listed /root.dnsmasq/ /
COPY --from=listed /top/dnsmasq-nanny/ /
ARG VERSION=devel REVISION=unknown
LABEL org.opencontainers.image.title="k8s-dns-dnsmasq-nanny" \
      org.opencontainers.image.description="Runs dnsmasq in front of kube-dns and keeps it running" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="https://github.com/kube-dns/kube-dns" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND MIT AND (GPL-2.0-only OR GPL-3.0-only) AND GPL-2.0-or-later AND LGPL-2.1-or-later"
STOPSIGNAL SIGTERM
ENTRYPOINT ["/dnsmasq-nanny"]

FROM scratch AS sidecar
COPY --from=listed /static/ /
COPY --from=listed /top/sidecar/ /
ARG VERSION=devel REVISION=unknown
LABEL org.opencontainers.image.title="k8s-dns-sidecar" \
      org.opencontainers.image.description="Probes the DNS servers of a kube-dns pod and exports their metrics" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="https://github.com/kube-dns/kube-dns" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND MIT"
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/sidecar"]

# As root, since it makes an interface, addresses and packet rules.
FROM scratch AS node-cache
COPY --from=listed /root.iptables/ /
COPY --from=listed /top/node-cache/ /
ARG VERSION=devel REVISION=unknown
LABEL org.opencontainers.image.title="k8s-dns-node-cache" \
      org.opencontainers.image.description="Answers DNS queries on each node from a cache in front of kube-dns" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="https://github.com/kube-dns/kube-dns" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND MIT AND MPL-2.0 AND GPL-2.0-or-later AND LGPL-2.1-or-later"
STOPSIGNAL SIGTERM
ENTRYPOINT ["/node-cache"]
