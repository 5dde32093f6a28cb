# shellcheck shell=bash
# shellcheck disable=SC2034 # those who source this use them
# What node-up.sh and node-down.sh must agree on. Sourced after cluster/lib.sh.

ID=$(printf '%s' "$DIR" | cksum | cut -d' ' -f1)
NETNS=kube-dns-$ID                       # the node's network namespace
LINK=kdns$ID                             # host end of the link into it (at most 15 bytes)
CGROUP=kube-dns-$ID                      # parent of all the pods' cgroups
NODE=${CLUSTER_NODE_NAME:-node1}
NET=${CLUSTER_NODE_NET:-10.254.0}        # a /30: host .1, node .2
NET6=${CLUSTER_NODE_NET6:-fd00:10:254:}  # a /126: host :1, node :2
NODE_IP=$NET.2
NODE_IP6=$NET6:2
POD_CIDR=10.244.0.0/24
POD_CIDR6=fd00:10:244::/64
SOCK=$DIR/run/containerd.sock
in_ns=(nsenter "--net=/run/netns/$NETNS" --)

# Kernel settings that the kubelet changes for the whole machine.
TUNABLES="vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
	kernel.keys.root_maxkeys kernel.keys.root_maxbytes"

# The cgroup hierarchies that are mounted: one on cgroup v2, several on v1.
cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }

ctr_k8s() { ctr -a "$SOCK" -n k8s.io "$@"; }
