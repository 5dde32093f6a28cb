#!/bin/bash
# Starts a whole one-node cluster: the control plane of cluster/up.sh, a
# scheduler, containerd, a kubelet and kube-proxy. Needs root.
#
#   node-up.sh DIR [IMAGE.tar ...]
#
# The node lives in a network namespace of its own, so that its nftables or
# iptables rules, bridge and pod addresses touch nothing on this machine, and
# nothing in it can reach any other network. The machine reaches the API
# through a pair of veth devices: DIR/kubeconfig works from both sides.
# IMAGE.tar are OCI archives to import; one of them must hold localhost/pause:1.
# Running it again starts only what isn't running, so it also brings back an
# API server that was killed. Example:
#
#   ./images.sh /tmp/images && ./node-up.sh /tmp/node /tmp/images/*.tar
#   KUBECONFIG=/tmp/node/kubeconfig kubectl get nodes
#   ./node-down.sh /tmp/node --purge
#
# Environment, all optional, besides that of cluster/up.sh:
#
#   CLUSTER_BIN         folder with the programs, as for cluster/up.sh
#   CLUSTER_PROXY_MODE  nftables (default) or iptables
#   CLUSTER_CNI_BIN     folder with the CNI plugins (/usr/lib/cni)
#   CLUSTER_NODE_NAME   node1
#   CLUSTER_NODE_NET, CLUSTER_NODE_NET6  first parts of the addresses between
#                       machine and node (10.254.0 and fd00:10:254:)
#   CLUSTER_DNS         the kubelet's --cluster-dns (10.96.0.10)
set -uo pipefail

NODE_HERE=$(cd "$(dirname "$0")" && pwd)
HERE=$(cd "$NODE_HERE/../cluster" && pwd)
[ $# -ge 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "node-up.sh needs root: a node makes network namespaces, mounts and cgroups" >&2; exit 1; }
mkdir -p "$1" || exit 1
DIR=$(cd "$1" && pwd)
shift
# shellcheck source=../cluster/lib.sh
. "$HERE/lib.sh"
# shellcheck source=node-lib.sh
. "$NODE_HERE/node-lib.sh"
PKI=$DIR/pki
PROXY_MODE=${CLUSTER_PROXY_MODE:-nftables}
CNI_BIN=${CLUSTER_CNI_BIN:-/usr/lib/cni}
began=$(date +%s.%N)
step() { say "$1 ($(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }') s)"; }

need ip nsenter curl kubectl containerd ctr runc conntrack nft iptables
kubelet=$(find_bin kubelet) && scheduler=$(find_bin kube-scheduler) &&
	proxy=$(find_bin kube-proxy) || exit 1
[ -x "$CNI_BIN/bridge" ] || die "no CNI plugins in $CNI_BIN (Debian: apt-get install containernetworking-plugins)"
mkdir -p "$DIR/run" "$DIR/log/pods" "$DIR/etc/cni" || exit 1

# What the kubelet changes for the whole machine is put back by node-down.sh.
[ -s "$DIR/run/tunables" ] || for t in $TUNABLES; do
	printf '%s=%s\n' "$t" "$(sysctl -n "$t")"
done >"$DIR/run/tunables"

# ---- the node's network ------------------------------------------------------
if [ ! -e "/run/netns/$NETNS" ]; then
	ip netns add "$NETNS" || die "cannot make the network namespace $NETNS"
	ip -n "$NETNS" link set lo up
	ip link add "$LINK" type veth peer name eth0 netns "$NETNS" || die "cannot make the link $LINK"
	ip addr add "$NET.1/30" dev "$LINK"
	ip addr add "${NET6}:1/126" dev "$LINK" nodad
	ip link set "$LINK" up
	ip -n "$NETNS" addr add "$NODE_IP/30" dev eth0
	ip -n "$NETNS" addr add "$NODE_IP6/126" dev eth0 nodad
	ip -n "$NETNS" link set eth0 up
	# The default route leads into a bridge without any port: lookups for
	# service addresses succeed, and nothing ever leaves.
	ip -n "$NETNS" link add void0 type bridge
	ip -n "$NETNS" link set void0 up
	ip -n "$NETNS" route add default dev void0 src "$NODE_IP"
	ip -n "$NETNS" -6 route add default dev void0 src "$NODE_IP6"
	"${in_ns[@]}" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# Only there when the kernel's br_netfilter is loaded.
	"${in_ns[@]}" sysctl -qw net.bridge.bridge-nf-call-iptables=1 \
		net.bridge.bridge-nf-call-ip6tables=1 2>/dev/null
	step "network namespace $NETNS"
fi

# ---- control plane -----------------------------------------------------------
# No port but the one in the namespace matters, so it can be a fixed one.
export CLUSTER_PORT=${CLUSTER_PORT:-6443}
SERVER=https://$NODE_IP:$CLUSTER_PORT
CLUSTER_NETNS=$NETNS CLUSTER_BIND=0.0.0.0 CLUSTER_ADVERTISE=$NODE_IP CLUSTER_REAL_NODES=1 \
	CLUSTER_SERVER=$SERVER "$HERE/up.sh" "$DIR" || exit 1
step "control plane"
export KUBECONFIG=$DIR/kubeconfig

make_cert scheduler /CN=system:kube-scheduler extendedKeyUsage=clientAuth
make_cert proxy /CN=system:kube-proxy extendedKeyUsage=clientAuth
make_cert node "/O=system:nodes/CN=system:node:$NODE" extendedKeyUsage=clientAuth
make_cert node-serving "/O=system:nodes/CN=system:node:$NODE" \
	"subjectAltName=DNS:$NODE,IP:$NODE_IP,IP:$NODE_IP6,IP:127.0.0.1" extendedKeyUsage=serverAuth
make_kubeconfig "$DIR/etc/scheduler.kubeconfig" "$SERVER" scheduler scheduler
make_kubeconfig "$DIR/etc/proxy.kubeconfig" "$SERVER" proxy proxy
make_kubeconfig "$DIR/etc/kubelet.kubeconfig" "$SERVER" node node

start kube-scheduler "${in_ns[@]}" "$scheduler" \
	--kubeconfig "$DIR/etc/scheduler.kubeconfig" \
	--authentication-kubeconfig "$DIR/etc/scheduler.kubeconfig" \
	--authorization-kubeconfig "$DIR/etc/scheduler.kubeconfig" \
	--bind-address 127.0.0.1 --leader-elect=false --profiling=false

# ---- containerd --------------------------------------------------------------
cat >"$DIR/etc/cni/10-e2e.conflist" <<JSON
{
  "cniVersion": "1.0.0",
  "name": "e2e",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isDefaultGateway": true,
      "ipMasq": false,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$DIR/containerd/ipam",
        "ranges": [[{"subnet": "$POD_CIDR"}], [{"subnet": "$POD_CIDR6"}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
cat >"$DIR/etc/containerd.toml" <<TOML
version = 2
root = "$DIR/containerd/root"
state = "$DIR/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$SOCK"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_BIN"
    conf_dir = "$DIR/etc/cni"
TOML
mkdir -p "$DIR/containerd" "$DIR/kubelet"
start containerd "${in_ns[@]}" "$(command -v containerd)" --config "$DIR/etc/containerd.toml"
wait_for containerd 60 ctr -a "$SOCK" version
step "containerd"
if [ $# -gt 0 ]; then
	for image in "$@"; do
		ctr_k8s images import "$image" >>"$DIR/log/images.log" 2>&1 ||
			die "cannot import $image: see $DIR/log/images.log"
	done
	step "$# images imported"
fi

# ---- kubelet -----------------------------------------------------------------
cgroup_mounts | while read -r mount; do
	mkdir -p "$mount/$CGROUP"
	for f in cpuset.cpus cpuset.mems; do # cgroup v1 starts with none
		if [ -e "$mount/$CGROUP/$f" ] && [ -z "$(cat "$mount/$CGROUP/$f")" ]; then
			cat "$mount/$f" >"$mount/$CGROUP/$f"
		fi
	done
done

# What pods of dnsPolicy Default get: a name server of the tests, on the node.
[ -e "$DIR/etc/resolv.conf" ] || printf 'nameserver %s\n' "$NODE_IP" >"$DIR/etc/resolv.conf"

cat >"$DIR/etc/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
containerRuntimeEndpoint: unix://$SOCK
address: $NODE_IP
healthzBindAddress: 127.0.0.1
tlsCertFile: $PKI/node-serving.crt
tlsPrivateKeyFile: $PKI/node-serving.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [${CLUSTER_DNS:-10.96.0.10}]
resolvConf: $DIR/etc/resolv.conf
podLogsDir: $DIR/log/pods
volumePluginDir: $DIR/kubelet/plugins-exec
failSwapOn: false
syncFrequency: 10s
nodeStatusUpdateFrequency: 5s
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1%
  nodefs.inodesFree: 1%
  imagefs.available: 1%
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
maxPods: 200
registryPullQPS: 0
serializeImagePulls: false
YAML
start kubelet "${in_ns[@]}" "$kubelet" --config "$DIR/etc/kubelet.yaml" \
	--kubeconfig "$DIR/etc/kubelet.kubeconfig" --hostname-override "$NODE" \
	--node-ip "$NODE_IP,$NODE_IP6" --root-dir "$DIR/kubelet" --cert-dir "$DIR/kubelet/pki"
node_ready() {
	[ "$(kubectl get node "$NODE" -o \
		jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]
}
wait_for kubelet 120 node_ready
step "node $NODE ready"

# ---- kube-proxy --------------------------------------------------------------
kubectl apply -f - >/dev/null <<YAML || die "cannot bind kube-proxy's role"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "e2e:node-proxier"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}]
YAML
# nf_conntrack_max belongs to the whole machine: the zeros leave it alone.
cat >"$DIR/etc/proxy.yaml.new" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: $PROXY_MODE
clientConnection: {kubeconfig: $DIR/etc/proxy.kubeconfig}
hostnameOverride: $NODE
clusterCIDR: $POD_CIDR,$POD_CIDR6
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0}
nodePortAddresses: [primary]
YAML
# kube-proxy ends when its file is written, even with what it has already.
cmp -s "$DIR/etc/proxy.yaml" "$DIR/etc/proxy.yaml.new" || mv "$DIR/etc/proxy.yaml.new" "$DIR/etc/proxy.yaml"
start kube-proxy "${in_ns[@]}" "$proxy" --config "$DIR/etc/proxy.yaml"
wait_for kube-proxy 60 "${in_ns[@]}" curl -fsS http://127.0.0.1:10256/healthz
step "kube-proxy ($PROXY_MODE)"
printf "%s\n" "/run/netns/$NETNS" >"$DIR/run/netns"
step "ready: kubeconfig $DIR/kubeconfig, network namespace $NETNS"
