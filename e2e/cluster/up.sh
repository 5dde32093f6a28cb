#!/bin/bash
# Starts a real Kubernetes control plane: etcd, kube-apiserver and
# kube-controller-manager, all on the loopback address, with RBAC on and dual
# stack. It is ready in 3 to 10 seconds and takes about 430 MiB of memory.
#
#   up.sh DIR [KUBECONFIG]
#
# DIR holds everything (data, certificates, logs, pid files); a folder on tmpfs
# is quickest. The admin's kubeconfig is DIR/kubeconfig; KUBECONFIG is a second
# place to put it. Running it again starts only what isn't running, at the same
# ports, so it also brings back an API server that was killed. Example:
#
#   CLUSTER_BIN=$(./build.sh) ./up.sh /tmp/k8s
#   KUBECONFIG=/tmp/k8s/kubeconfig kubectl get services -A
#   ./down.sh /tmp/k8s --purge
#
# Environment, all optional:
#
#   CLUSTER_BIN            folder with etcd, kube-apiserver, kube-controller-manager
#                          (else DIR/bin, then what build.sh built, then PATH)
#   CLUSTER_PORT           first of four ports in a row: apiserver, etcd client,
#                          etcd peer, controller manager (else four free ones,
#                          chosen once for a DIR)
#   CLUSTER_BIND           the apiserver's address (127.0.0.1)
#   CLUSTER_ADVERTISE      address in the endpoints of the service "kubernetes"
#                          (CLUSTER_BIND; none are written where that's a loopback
#                          one, which Kubernetes does not allow in an EndpointSlice)
#   CLUSTER_SERVICE_CIDR   10.96.0.0/12,fd00:10:96::/112
#   CLUSTER_POD_CIDR       10.244.0.0/16,fd00:10:244::/56 (pod addresses of nodes)
#   CLUSTER_SERVER         the URL in the kubeconfigs (https://CLUSTER_BIND:CLUSTER_PORT)
#   CLUSTER_NETNS          name of a network namespace to run everything in
#   CLUSTER_REAL_NODES     1: controllers that remove pods of absent nodes are on
#   CLUSTER_APISERVER_ARGS more flags for the apiserver, split on blanks
#   CLUSTER_KCM_ARGS       more flags for the controller manager
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
mkdir -p "$1" || exit 1
DIR=$(cd "$1" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
need openssl curl flock setsid awk

ADMIN=${2:-$DIR/kubeconfig}
PKI=$DIR/pki
mkdir -p "$PKI" "$DIR/run" "$DIR/log" "$DIR/etc" || exit 1
chmod 700 "$PKI"

# One up.sh or down.sh at a time for a DIR. Children must not inherit the lock.
exec 9>"$DIR/run/lock"
flock -w 120 9 || die "another up.sh or down.sh holds $DIR"

# Four free ports in a row, or those of CLUSTER_PORT; kept for this DIR.
PORT=${CLUSTER_PORT:-$(cat "$DIR/etc/port" 2>/dev/null)} || PORT=
[ -n "$PORT" ] || PORT=$(free_ports 4) || die "found no four free ports in a row"
printf '%s\n' "$PORT" >"$DIR/etc/port"
BIND=${CLUSTER_BIND:-127.0.0.1}
ADVERTISE=${CLUSTER_ADVERTISE:-$BIND}
SERVICE_CIDR=${CLUSTER_SERVICE_CIDR:-10.96.0.0/12,fd00:10:96::/112}
POD_CIDR=${CLUSTER_POD_CIDR:-10.244.0.0/16,fd00:10:244::/56}
SERVER=${CLUSTER_SERVER:-https://$BIND:$PORT}
ETCD=http://127.0.0.1:$((PORT + 1))
began=$(date +%s.%N)

if alive etcd && alive kube-apiserver && alive kube-controller-manager; then
	[ "$ADMIN" = "$DIR/kubeconfig" ] || install -m 600 "$DIR/kubeconfig" "$ADMIN"
	say "running already: kubeconfig $ADMIN"
	exit 0
fi

etcd=$(find_bin etcd) && apiserver=$(find_bin kube-apiserver) &&
	kcm=$(find_bin kube-controller-manager) || exit 1

in_ns=()
if [ -n "${CLUSTER_NETNS:-}" ]; then
	# Not "ip netns exec": that mounts a new /sys, which hides the cgroups.
	in_ns=(nsenter "--net=/run/netns/$CLUSTER_NETNS" --)
fi

# ---- certificates, made once ------------------------------------------------
if [ ! -s "$PKI/ca.crt" ]; then
	openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/ca.key" 2>/dev/null
	chmod 600 "$PKI/ca.key"
	openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=cluster-ca -days 3650 -sha256 \
		-addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
		-out "$PKI/ca.crt.tmp" 2>/dev/null || die "cannot make the CA"
	mv "$PKI/ca.crt.tmp" "$PKI/ca.crt"
fi
# A second CA, for requests that an aggregator passes on: without one the
# controller manager complains about it for ever.
if [ ! -s "$PKI/front-ca.crt" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
		-keyout "$PKI/front-ca.key" -subj /CN=cluster-front-ca -days 3650 \
		-addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
		-out "$PKI/front-ca.crt.tmp" 2>/dev/null || die "cannot make the front proxy CA"
	mv "$PKI/front-ca.crt.tmp" "$PKI/front-ca.crt"
fi
if [ ! -s "$PKI/sa.pub" ]; then
	openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
	chmod 600 "$PKI/sa.key"
	openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub.tmp" 2>/dev/null ||
		die "cannot make the service account key"
	mv "$PKI/sa.pub.tmp" "$PKI/sa.pub"
fi

# The first address of each service range is the service "kubernetes".
sans="IP:127.0.0.1,IP:::1,IP:$BIND,IP:$ADVERTISE"
for cidr in ${SERVICE_CIDR//,/ }; do
	net=${cidr%/*}
	case $net in
	*:*) sans+=",IP:${net}1" ;;
	*) sans+=",IP:${net%.*}.$((${net##*.} + 1))" ;;
	esac
done
sans+=",DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
sans+=",DNS:kubernetes.default.svc.cluster.local"
if [ "$(cat "$PKI/apiserver.sans" 2>/dev/null)" != "$sans" ]; then
	rm -f "$PKI/apiserver.crt"
	printf '%s\n' "$sans" >"$PKI/apiserver.sans"
fi
make_cert apiserver /CN=kube-apiserver "subjectAltName=$sans" extendedKeyUsage=serverAuth
make_cert kcm-serving /CN=kube-controller-manager \
	subjectAltName=IP:127.0.0.1,DNS:localhost extendedKeyUsage=serverAuth
make_cert admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
make_cert controller-manager /CN=system:kube-controller-manager extendedKeyUsage=clientAuth
make_cert kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth

make_kubeconfig "$DIR/kubeconfig" "$SERVER" admin admin
[ "$ADMIN" = "$DIR/kubeconfig" ] || install -m 600 "$DIR/kubeconfig" "$ADMIN" ||
	die "cannot write $ADMIN"
make_kubeconfig "$DIR/etc/controller-manager.kubeconfig" "$SERVER" \
	controller-manager controller-manager

# ---- processes ---------------------------------------------------------------
start etcd "${in_ns[@]}" "$etcd" --name e2e --data-dir "$DIR/etcd" --unsafe-no-fsync \
	--listen-client-urls "$ETCD" --advertise-client-urls "$ETCD" \
	--listen-peer-urls "http://127.0.0.1:$((PORT + 2))" \
	--initial-advertise-peer-urls "http://127.0.0.1:$((PORT + 2))" \
	--initial-cluster "e2e=http://127.0.0.1:$((PORT + 2))" \
	--quota-backend-bytes 4294967296 --snapshot-count 50000 \
	--log-level warn --logger zap 9>&-

reconciler=lease
case $ADVERTISE in
127.* | ::1)
	# The API refuses loopback addresses in EndpointSlices: rather than an
	# error every few seconds, a service "kubernetes" without endpoints. The
	# address below is then a mere placeholder that no client sees.
	reconciler=none
	ADVERTISE=${SERVICE_CIDR%%/*}
	case $ADVERTISE in
	*:*) ADVERTISE+=fe ;;
	*) ADVERTISE=${ADVERTISE%.*}.254 ;;
	esac
	;;
esac

# APF is on as by default; the admin (system:masters) is exempt from it.
# shellcheck disable=SC2086
start kube-apiserver "${in_ns[@]}" "$apiserver" \
	--etcd-servers "$ETCD" \
	--bind-address "$BIND" --secure-port "$PORT" \
	--advertise-address "$ADVERTISE" --endpoint-reconciler-type $reconciler \
	--tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
	--client-ca-file "$PKI/ca.crt" \
	--requestheader-client-ca-file "$PKI/front-ca.crt" \
	--requestheader-allowed-names front-proxy-client \
	--requestheader-username-headers X-Remote-User \
	--requestheader-group-headers X-Remote-Group \
	--requestheader-extra-headers-prefix X-Remote-Extra- \
	--kubelet-client-certificate "$PKI/kubelet-client.crt" \
	--kubelet-client-key "$PKI/kubelet-client.key" \
	--kubelet-preferred-address-types InternalIP,Hostname \
	--service-account-issuer https://kubernetes.default.svc.cluster.local \
	--service-account-key-file "$PKI/sa.pub" \
	--service-account-signing-key-file "$PKI/sa.key" \
	--service-cluster-ip-range "$SERVICE_CIDR" \
	--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
	--allow-privileged --event-ttl 1h --profiling=false \
	${CLUSTER_APISERVER_ARGS:-} 9>&-

curl_api() {
	"${in_ns[@]}" curl -fsS --max-time 2 --cacert "$PKI/ca.crt" \
		--cert "$PKI/admin.crt" --key "$PKI/admin.key" "$SERVER$1"
}
wait_for kube-apiserver 90 curl_api /readyz

# Without kubelets, pods and nodes are objects that a test made by hand: the
# controllers that would remove them are off unless nodes are real.
controllers='*'
if [ "${CLUSTER_REAL_NODES:-0}" != 1 ]; then
	controllers='*,-pod-garbage-collector-controller,-node-lifecycle-controller,-taint-eviction-controller'
fi
# shellcheck disable=SC2086
start kube-controller-manager "${in_ns[@]}" "$kcm" \
	--kubeconfig "$DIR/etc/controller-manager.kubeconfig" \
	--authentication-kubeconfig "$DIR/etc/controller-manager.kubeconfig" \
	--authorization-kubeconfig "$DIR/etc/controller-manager.kubeconfig" \
	--bind-address 127.0.0.1 --secure-port $((PORT + 3)) \
	--tls-cert-file "$PKI/kcm-serving.crt" --tls-private-key-file "$PKI/kcm-serving.key" \
	--client-ca-file "$PKI/ca.crt" --root-ca-file "$PKI/ca.crt" \
	--cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
	--service-account-private-key-file "$PKI/sa.key" --use-service-account-credentials \
	--service-cluster-ip-range "$SERVICE_CIDR" \
	--cluster-cidr "$POD_CIDR" --allocate-node-cidrs \
	--controllers "$controllers" --leader-elect=false \
	--kube-api-qps 500 --kube-api-burst 1000 \
	--concurrent-endpoint-syncs 10 --concurrent-service-endpoint-syncs 10 \
	--profiling=false ${CLUSTER_KCM_ARGS:-} 9>&-

# Pods can be made once the controller manager has made the service account.
wait_for kube-controller-manager 60 curl_api /api/v1/namespaces/default/serviceaccounts/default

say "ready in $(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }') s:" \
	"$SERVER, kubeconfig $ADMIN"
