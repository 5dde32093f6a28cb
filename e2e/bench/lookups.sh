#!/bin/bash
# Measures what one name costs that a program looks up: queries, CPU of the servers and time,
# with the real getaddrinfo of glibc (getent ahosts), kubelet's search list and ndots:5.
#
#   lookups.sh [turns]            for example: lookups.sh 200
#
# It runs in namespaces of its own, as root, and needs Go, dnsmasq, nft and getent. Outside
# names are 5 ms away. The output is a table in Markdown.
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
	go -C ../.. build -o "$LOOKUPS_DIR" ./cmd/kube-dns ./cmd/dnsmasq-nanny
	go build -o "$LOOKUPS_DIR/bench" .
	unshare --net --mount --pid --fork --mount-proc --propagation private ./lookups.sh "$@"
	exit
fi

turns=${1:-100}
dir=$LOOKUPS_DIR
ip link set lo up
mkdir "$dir/objects" "$dir/config"
for service in shop/web/10.96.0.10 store/api/10.96.0.11; do
	IFS=/ read -r namespace name address <<<"$service"
	cat >"$dir/objects/$name.yaml" <<-YAML
		{apiVersion: v1, kind: Service, metadata: {name: $name, namespace: $namespace}, spec: {clusterIP: $address}}
	YAML
done
echo '["127.0.0.9:5300"]' >"$dir/config/upstreamNameservers"
printf 'nameserver 127.0.0.1\noptions ndots:5\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n' \
	>"$dir/pod.conf"
printf 'nameserver 127.0.0.9\nsearch corp.example\n' >"$dir/node.conf"
echo 'hosts: dns' >"$dir/nsswitch.conf"
mount --bind "$dir/node.conf" /etc/resolv.conf
mount --bind "$dir/nsswitch.conf" /etc/nsswitch.conf
nft -f - <<'NFT'
table inet lookups {
	counter queries {}
	chain in {
		type filter hook input priority 0
		ip daddr 127.0.0.1 udp dport 53 counter name queries
	}
}
NFT
"$dir/bench" world 127.0.0.9:5300 &

pids=()
start() {
	"$@" 2>>"$dir/log" >>"$dir/log" &
	pids+=($!)
}
kubedns() { # it reads the node's resolv.conf before the pod's is mounted
	: >"$dir/log"
	start "$dir/kube-dns" --manifests="$dir/objects" --config-dir="$dir/config" --dns-bind-address=127.0.0.1 "$@"
	local tries=0
	until grep -q 'applied the manifests' "$dir/log"; do
		[ $((tries += 1)) -lt 100 ] || { tail -20 "$dir/log" >&2; exit 1; }
		sleep 0.1
	done
}
nanny() { # arguments of dnsmasq
	start "$dir/dnsmasq-nanny" -configDir="$dir/config" -stateDir="$dir/state" -lameduck=0s -- -k --cache-size=1000 --no-negcache \
		--user=root --dns-loop-detect --log-facility=- "$@"
}
# All processes of the servers, dnsmasq included.
cpu() {
	local total=0 pid file ns
	for pid in "${pids[@]}" $(pgrep -x dnsmasq || true); do
		for file in /proc/"$pid"/task/*/schedstat; do
			read -r ns _ <"$file" && total=$((total + ns))
		done
	done
	echo "$total"
}
queries() { nft list counter inet lookups queries | awk '/packets/ {print $2}'; }
lookup() { getent ahosts "$1" >/dev/null; }

measure() { # shape, title, name with @ for the number of the turn
	local i before_cpu before_queries begin spent=0
	mount --bind "$dir/pod.conf" /etc/resolv.conf
	lookup "${3//@/warm}" || { echo "lookups: $1: $3 has no address" >&2; tail -20 "$dir/log" >&2; exit 1; }
	before_cpu=$(cpu) before_queries=$(queries)
	for ((i = 0; i < turns; i++)); do
		begin=${EPOCHREALTIME/./}
		lookup "${3//@/$i}"
		spent=$((spent + ${EPOCHREALTIME/./} - begin))
	done
	awk -v shape="$1" -v title="$2" -v n="$turns" -v cpu=$(($(cpu) - before_cpu)) -v us="$spent" \
		-v queries=$(($(queries) - before_queries)) \
		'BEGIN {printf "| %s | %s | %.1f | %.0f | %.1f |\n", shape, title, queries/n, cpu/n/1000, us/n/1000}'
	umount /etc/resolv.conf
}
shape() { # title
	local tries=0
	mount --bind "$dir/pod.conf" /etc/resolv.conf
	until lookup web.shop.svc.cluster.local.; do
		[ $((tries += 1)) -lt 100 ] || { tail -20 "$dir/log" >&2; exit 1; }
		sleep 0.1
	done
	umount /etc/resolv.conf
	measure "$1" "Service" web
	measure "$1" "Service of another namespace" api.store
	measure "$1" "outside, cached" www.example.com
	measure "$1" "outside, not cached" "w@.example.com"
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null || true
	pids=()
}

echo '| shape | name | queries | CPU, µs | time, ms |'
echo '| --- | --- | --- | --- | --- |'
kubedns --dns-port=10053 --lameduck=0s
nanny --server=/cluster.local/127.0.0.1#10053 --server=/in-addr.arpa/127.0.0.1#10053
shape "dnsmasq in front"
for flags in "" "--cache-size=16Mi" "--autopath" "--cache-size=16Mi --autopath"; do
	# shellcheck disable=SC2086 # several flags
	kubedns --dns-port=53 --lameduck=0s --direct $flags
	shape "kube-dns --direct${flags:+ $flags}"
done
