#!/bin/bash
# Measures what one name costs that a program looks up: queries, CPU of the pod and time, with
# getaddrinfo of glibc. Prints tables in Markdown.
#
#   lookups.sh [turns [rounds [threads]]]  for example: lookups.sh 200 5 16
#
# Each shape of DNS pod and the client have a network namespace of their own, on one bridge.
# The client has the resolv.conf that kubelet writes. The cluster is that of ../cluster, and
# outside names are 5 ms away. Each round looks every name up in every shape, and a figure is
# the median of the rounds.
#
# It runs as root and needs Go, gcc, dnsmasq, ip, nft, curl and openssl. CoreDNS is built once
# (../coredns.sh). SHAPES=regexp measures some shapes only.
set -euo pipefail

cd "$(dirname "$0")"
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' lookups.sh
	exit 0
fi
if [ -z "${LOOKUPS_DIR:-}" ]; then
	LOOKUPS_DIR=$(mktemp -d)
	export LOOKUPS_DIR
	trap 'rm -rf "$LOOKUPS_DIR"' EXIT
	CLUSTER_BIN=$(../cluster/build.sh)
	COREDNS=$(../coredns.sh)
	export CLUSTER_BIN COREDNS
	CGO_ENABLED=0 go -C ../.. build -trimpath -ldflags '-s -w' -o "$LOOKUPS_DIR" ./cmd/kube-dns ./cmd/dnsmasq-nanny
	go build -o "$LOOKUPS_DIR/bench" .
	gcc -O1 -pthread -o "$LOOKUPS_DIR/lookup" lookup/lookup.c
	gcc -O1 -o "$LOOKUPS_DIR/floor" lookup/floor.c
	unshare --net --mount --pid --fork --mount-proc --propagation private ./lookups.sh "$@"
	exit
fi

turns=${1:-100}
rounds=${2:-5}
threads=${3:-1}
dir=$LOOKUPS_DIR
node=10.9.0.1
client=10.9.0.2
zones=(--server=/{cluster.local,in-addr.arpa,ip6.arpa}/127.0.0.1#10053)
dnsmasq=(-k --cache-size=1000 --no-negcache --dns-loop-detect --log-facility=- "${zones[@]}" --user=root
	--conf-file=/dev/null --pid-file=)
declare -A addresses=() pids=()
titles=()

die() {
	printf 'lookups: %s\n' "$*" >&2
	exit 1
}

# ---- the network, the cluster and the world -----------------------------------
network() {
	mkdir -p /run/netns
	mount -t tmpfs netns /run/netns
	ip link set lo up
	ip link add br0 type bridge
	ip addr add "$node/24" dev br0
	ip link set br0 up
	printf 'nameserver %s\nsearch corp.example\n' "$node" >"$dir/node.conf"
	echo 'hosts: files dns' >"$dir/nsswitch.conf"
	mount --bind "$dir/node.conf" /etc/resolv.conf
	mount --bind "$dir/nsswitch.conf" /etc/nsswitch.conf
}
namespace() { # name, address
	ip netns add "$1"
	ip link add "v$1" type veth peer name eth0 netns "$1"
	ip link set "v$1" master br0 up
	ip -n "$1" link set lo up
	ip -n "$1" addr add "$2/24" dev eth0
	ip -n "$1" link set eth0 up
	nsenter --net="/run/netns/$1" sysctl -qw net.ipv4.ip_unprivileged_port_start=53
}
api() { # method, path, type of the content, object
	local pki=$dir/cluster/pki
	curl -fsS -o /dev/null --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" \
		-X "$1" -H "Content-Type: $3" "$server$2" -d "$4"
}
cluster() {
	CLUSTER_BIND=$node CLUSTER_APISERVER_ARGS=--disable-admission-plugins=ServiceAccount \
		../cluster/up.sh "$dir/cluster" 2>>"$dir/log" ||
		die "the cluster does not start: $(tail -5 "$dir/log")"
	server=$(sed -n 's/^ *server: //p' "$dir/cluster/kubeconfig")
	local object namespace name address
	for object in shop/web/10.96.0.110 store/api/10.96.0.111; do
		IFS=/ read -r namespace name address <<<"$object"
		api POST /api/v1/namespaces application/yaml "{apiVersion: v1, kind: Namespace, metadata: {name: $namespace}}"
		api POST "/api/v1/namespaces/$namespace/services" application/yaml \
			"{apiVersion: v1, kind: Service, metadata: {name: $name}, spec: {clusterIP: $address, ports: [{port: 80}]}}"
	done
	# CoreDNS finds the namespace of a client by its Pod.
	api POST /api/v1/namespaces/shop/pods application/yaml \
		"{apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {nodeName: node, containers: [{name: client, image: client}]}}"
	api PATCH /api/v1/namespaces/shop/pods/client/status application/merge-patch+json \
		'{"status": {"phase": "Running", "podIP": "'$client'", "podIPs": [{"ip": "'$client'"}]}}'
}

# ---- the shapes ----------------------------------------------------------------
shape() { # title: the commands that follow are in its namespace
	local n=$((${#addresses[@]} + 1))
	titles+=("$1")
	at=s$n
	addresses[$1]=10.9.0.$((n + 10))
	namespace "$at" "${addresses[$1]}"
	printf 'nameserver %s\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n' \
		"${addresses[$1]}" >"$dir/$at.conf"
	mkdir "$dir/$at"
}
run() { # a program of the last shape
	nsenter --net="/run/netns/$at" "$@" >>"$dir/$at.log" 2>&1 &
	pids[${titles[-1]}]="${pids[${titles[-1]}]-} $!"
}
kubedns() {
	run "$dir/kube-dns" --domain=cluster.local. --kubecfg-file="$dir/cluster/kubeconfig" --config-dir="$dir/$at" --v=2 "$@"
}
coredns() { # how the kubernetes plugin finds pods, then lines of the server
	local pods=$1
	shift
	cat >"$dir/$at/Corefile" <<-COREFILE
		.:53 {
		    errors
		    health {
		        lameduck 5s
		    }
		    ready
		    $*
		    kubernetes cluster.local in-addr.arpa ip6.arpa {
		        kubeconfig $dir/cluster/kubeconfig
		        pods $pods
		        fallthrough in-addr.arpa ip6.arpa
		        ttl 30
		    }
		    prometheus :9153
		    forward . /etc/resolv.conf {
		        max_concurrent 1000
		    }
		    cache 30
		    loop
		    reload
		    loadbalance
		}
	COREFILE
	run "$COREDNS" -conf "$dir/$at/Corefile"
}
wanted() { [[ $1 =~ ${SHAPES:-.} ]]; }
shapes() {
	if wanted "upstream's shape"; then
		shape "upstream's shape"
		kubedns --dns-port=10053
		run dnsmasq "${dnsmasq[@]}"
	fi
	if wanted "CoreDNS"; then
		shape "CoreDNS"
		coredns insecure
	fi
	if wanted "CoreDNS, autopath"; then
		shape "CoreDNS, autopath"
		coredns verified "autopath @kubernetes"
	fi
	if wanted "drop-in"; then
		shape "drop-in"
		kubedns --dns-port=10053
		run "$dir/dnsmasq-nanny" -v=2 -configDir="$dir/$at" -stateDir="$dir/$at/state" -restartDnsmasq=true -- "${dnsmasq[@]}"
	fi
	if wanted "floor"; then
		shape "floor"
		run "$dir/floor" "${addresses[floor]}" 53
	fi
	local title flags
	while IFS=: read -r title flags; do
		wanted "$title" || continue
		shape "$title"
		# shellcheck disable=SC2086 # several flags
		kubedns --dns-port=53 --direct $flags
	done <<-'SHAPES'
		direct:
		direct, --autopath:--autopath
		direct, --cache-size:--cache-size=16Mi
		lean:--cache-size=16Mi --autopath
	SHAPES
}

# ---- the measurement -------------------------------------------------------------
processes() { # the programs of a shape and their children
	local pid
	for pid in ${pids[$1]}; do
		echo "$pid"
		cat "/proc/$pid/task/"*/children | tr ' ' '\n'
	done
}
cpu() { # title
	local total=0 pid file ns
	for pid in $(processes "$1"); do
		for file in "/proc/$pid/task/"*/schedstat; do
			read -r ns _ <"$file" && total=$((total + ns))
		done
	done
	echo "$total"
}
queries() { nsenter --net=/run/netns/client nft list counter inet lookups queries | awk '/packets/ {print $2}'; }
lookup() { # number of the shape, turns, threads, name
	# shellcheck disable=SC2016 # the inner shell expands
	nsenter --net=/run/netns/client unshare --mount sh -c \
		'mount --bind "$1" /etc/resolv.conf && exec "$2" "$3" "$4" "$5"' - "$dir/s$1.conf" "$dir/lookup" "$2" "$3" "$4"
}
ready() { # number of the shape
	local tries=0
	until lookup "$1" 1 1 web && lookup "$1" 1 1 api.store && lookup "$1" 1 1 www.example.com; do
		[ $((tries += 1)) -lt 150 ] || die "${titles[$1 - 1]}: $(tail -20 "$dir/s$1.log")"
		sleep 0.2
	done >/dev/null 2>>"$dir/log"
}
measure() { # number of the shape, column, name
	local title=${titles[$1 - 1]} cpu queries spent
	lookup "$1" 10 "$threads" "${3/@/warm-@}" >/dev/null
	cpu=$(cpu "$title") queries=$(queries)
	spent=$(lookup "$1" "$turns" "$threads" "$3")
	echo "$title;$2;$(($(queries) - queries));$(($(cpu "$title") - cpu));$spent" >>"$dir/figures"
}
tables() {
	awk -F';' -v turns="$((turns * threads))" '
		function median(list, n, i, j, t, v) {
			n = split(list, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			low = v[1]; high = v[n]
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		!($1 in seen) { seen[$1]; shape[++shapes] = $1 }
		!($2 in known) { known[$2]; name[++names] = $2 }
		{
			q[$1, $2] = q[$1, $2] " " $3 / turns
			c[$1, $2] = c[$1, $2] " " $4 / turns / 1000
			t[$1, $2] = t[$1, $2] " " $5 / turns / 1000
		}
		function head(title, i, line, rule) {
			for (i = 1; i <= names; i++) { line = line " | " name[i]; rule = rule " | ---:" }
			printf "\n%s\n\n| shape%s |\n| ---%s |\n", title, line, rule
		}
		END {
			head("Queries, CPU of the pod and time for each name:")
			for (i = 1; i <= shapes; i++) {
				printf "| %s", shape[i]
				for (j = 1; j <= names; j++)
					printf " | %.1f, %.0f µs, %.2f ms", median(q[shape[i], name[j]]),
						median(c[shape[i], name[j]]), median(t[shape[i], name[j]])
				print " |"
			}
			head("Lowest and highest CPU of a round, in µs:")
			for (i = 1; i <= shapes; i++) {
				printf "| %s", shape[i]
				for (j = 1; j <= names; j++) { median(c[shape[i], name[j]]); printf " | %.0f to %.0f", low, high }
				print " |"
			}
			head("CPU as a multiple of lean:")
			for (i = 1; i <= shapes; i++) {
				printf "| %s", shape[i]
				for (j = 1; j <= names; j++) printf " | %.1f", median(c[shape[i], name[j]]) / median(c[shape[shapes], name[j]])
				print " |"
			}
		}' "$dir/figures"
}

network
namespace client "$client"
nsenter --net=/run/netns/client nft -f - <<'NFT'
table inet lookups {
	counter queries {}
	chain out {
		type filter hook output priority 0
		udp dport 53 counter name queries
	}
}
NFT
"$dir/bench" world "$node:53" &
cluster
shapes
for i in "${!titles[@]}"; do ready $((i + 1)); done
for ((round = 1; round <= rounds; round++)); do
	for i in "${!titles[@]}"; do
		measure $((i + 1)) "\`web\`" web
		measure $((i + 1)) "\`api.store\`" api.store
		measure $((i + 1)) "\`www.example.com\`" www.example.com
		measure $((i + 1)) "the same, in no cache" "r$round-@.example.com"
	done
done
tables
