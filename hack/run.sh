#!/usr/bin/env bash
#
# Runs kube-dns on this machine as its pod does: kube-dns, dnsmasq under its nanny, and the
# sidecar, without a cluster, from a directory of manifests. `make run` calls it; -h lists
# the variables. Ctrl-C stops all of it.

set -euo pipefail

# A shell that starts this script in the background ignores SIGINT in it, and the script
# could not trap it.
if [[ -z ${RUN_INTERRUPTIBLE-} ]] && env --default-signal=INT true 2>/dev/null; then
	exec env --default-signal=INT RUN_INTERRUPTIBLE=1 "$0" "$@"
fi

usage() {
	cat <<'END'
Usage: [VARIABLE=value ...] make run

Builds kube-dns, dnsmasq-nanny and sidecar and runs them on 127.0.0.1 only, with objects
and configuration from files. Queries for names outside the cluster go to the servers in
this machine's /etc/resolv.conf. Ctrl-C stops all three. Needed: Go, and dnsmasq (on
Debian it is installed if missing: package dnsmasq-base).

  MANIFESTS=examples/cluster  directory of Kubernetes manifests; may be edited meanwhile
  CONFIG=examples/config      directory with a file for each key of the ConfigMap; the same
  ZONE=cluster.local          zone of the cluster
  V=0                         verbosity; clusters have 2, and 1 shows dnsmasq's log

  DNS_PORT=1053               dnsmasq, for clients (53 in a pod)
  KUBEDNS_PORT=10053          kube-dns
  HEALTHZ_PORT=8081           kube-dns: status page, /readiness, /healthz, /cache
  METRICS_PORT=10055          kube-dns: /metrics
  SIDECAR_PORT=10054          sidecar: /healthcheck/kubedns, /healthcheck/dnsmasq, /metrics

  DNSMASQ_ARGS=--max-cache-ttl=1
                              more arguments for dnsmasq; these show an edited manifest at
                              once, where a cluster caches an answer for its 30 seconds

Examples:
  make run
  MANIFESTS=~/my-cluster V=2 make run
  DNS_PORT=5353 make run
END
}

case ${1-} in
'') ;;
-h | --help)
	usage
	exit 0
	;;
*)
	usage >&2
	exit 2
	;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
manifests=${MANIFESTS:-$root/examples/cluster}
config=${CONFIG:-$root/examples/config}
zone=${ZONE:-cluster.local}
zone=${zone%.}
verbosity=${V:-0}
dns_port=${DNS_PORT:-1053}
kubedns_port=${KUBEDNS_PORT:-10053}
healthz_port=${HEALTHZ_PORT:-8081}
metrics_port=${METRICS_PORT:-10055}
sidecar_port=${SIDECAR_PORT:-10054}
read -r -a dnsmasq_args <<<"${DNSMASQ_ARGS---max-cache-ttl=1}"
ip=127.0.0.1
corp_port=1054
# A pod's name has an address with any manifests.
probe=127-0-0-1.default.pod.$zone
bin=$root/bin

say() { printf '%s\n' "$*"; }
fail() {
	printf 'run: %s\n' "$*" >&2
	exit 1
}

declare -A pids=() loggers=()
scratch=

stop() {
	trap '' INT TERM HUP
	set +e # stop all of them after any error
	local name
	# The nanny first: clients send to its port.
	for name in dnsmasq-nanny kube-dns sidecar corp; do
		stop_one "$name"
	done
	stop_orphan
	if [[ -n $scratch ]]; then
		rm -rf "$scratch"
	fi
}

# stop_one interrupts one process and waits until it has ended.
stop_one() {
	local pid=${pids[$1]-} signal=INT tries
	[[ $1 != corp ]] || signal=TERM # dnsmasq ignores SIGINT
	[[ -n $pid ]] || return 0
	unset "pids[$1]"
	kill -"$signal" "$pid" 2>/dev/null || true
	for ((tries = 0; tries < 100; tries++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -KILL "$pid" 2>/dev/null; then
		say "run: $1 did not stop within 10 seconds and was killed" >&2
	fi
	wait "$pid" "${loggers[$1]}" 2>/dev/null || true
}

# stop_orphan ends a dnsmasq that outlived its nanny, which was killed then.
stop_orphan() {
	local pid
	pid=$(cat "$scratch/dnsmasq.pid" 2>/dev/null) || return 0
	if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dnsmasq ]]; then
		kill -KILL "$pid"
	fi
}

# start runs a command in the background. Its output goes to the terminal and to a file,
# for its last lines.
start() {
	local name=$1
	shift
	mkfifo "$scratch/$name.pipe"
	tee -p "$scratch/$name.log" <"$scratch/$name.pipe" | sed -u "s/^/$name | /" >&2 &
	loggers[$name]=$!
	"$@" >"$scratch/$name.pipe" 2>&1 &
	pids[$name]=$!
}

find_go() {
	command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
	command -v go >/dev/null || fail "there is no go command: install Go (https://go.dev/dl)"
}

build() {
	say "building kube-dns, dnsmasq-nanny and sidecar (the first time takes a minute or two)..."
	mkdir -p "$bin"
	CGO_ENABLED=0 go build -C "$root" -o "$bin/" \
		./cmd/kube-dns ./cmd/dnsmasq-nanny ./cmd/sidecar ./hack/selfcheck ||
		fail "the build failed: see above"
}

check_ports() {
	"$bin/selfcheck" free \
		"DNS_PORT=udp/$ip:$dns_port" "DNS_PORT=tcp/$ip:$dns_port" \
		"KUBEDNS_PORT=udp/$ip:$kubedns_port" "KUBEDNS_PORT=tcp/$ip:$kubedns_port" \
		"HEALTHZ_PORT=tcp/$ip:$healthz_port" "METRICS_PORT=tcp/$ip:$metrics_port" \
		"SIDECAR_PORT=tcp/$ip:$sidecar_port" ||
		fail "some ports are taken: see above (does another \"make run\" run?)"
}

start_dns() {
	if [[ -e /etc/dnsmasq.conf ]]; then
		dnsmasq_args+=(--conf-file=/dev/null) # that file is for another dnsmasq
	fi
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/kube-dns-run.XXXXXX")
	chmod 0755 "$scratch" # dnsmasq, which gives up root, has to enter
	start kube-dns env PROMETHEUS_PORT="$metrics_port" "$bin/kube-dns" --v="$verbosity" \
		--domain="$zone." --manifests="$manifests" --config-dir="$config" --config-period=1s \
		--dns-bind-address=$ip --dns-port="$kubedns_port" --http-bind-address=$ip --healthz-port="$healthz_port"
	start dnsmasq-nanny "$bin/dnsmasq-nanny" -v="$verbosity" -logtostderr \
		-dnsmasqExec="$dnsmasq" -restartDnsmasq=true -configDir="$config" -syncInterval=1s \
		-kubednsServer="$ip:$kubedns_port" -stateDir="$scratch/nanny" -- \
		-k --cache-size=1000 --no-negcache --dns-loop-detect --log-facility=- \
		--pid-file="$scratch/dnsmasq.pid" --listen-address=$ip --bind-interfaces --port="$dns_port" \
		--server="/$zone/$ip#$kubedns_port" --server="/in-addr.arpa/$ip#$kubedns_port" \
		--server="/ip6.arpa/$ip#$kubedns_port" "${dnsmasq_args[@]}"
}

# start_corp runs the server of the example's stub domain, corp.example. Its address is
# in examples/config/stubDomains.
start_corp() {
	[[ -z ${CONFIG-} ]] || return 0
	if ! "$bin/selfcheck" free "CONFIG=udp/$ip:$corp_port" "CONFIG=tcp/$ip:$corp_port" 2>/dev/null; then
		say "port $corp_port is taken: the example's stub domain corp.example has no server"
		return
	fi
	start corp "$dnsmasq" -k --conf-file=/dev/null --log-facility=- --pid-file= --port=$corp_port --listen-address=$ip \
		--bind-interfaces --no-resolv --no-hosts --local=/corp.example/ --host-record=wiki.corp.example,192.0.2.80
}

start_sidecar() {
	start sidecar "$bin/sidecar" --v="$verbosity" \
		--prometheus-addr=$ip --prometheus-port="$sidecar_port" --dnsmasq-port="$dns_port" \
		--probe="kubedns,$ip:$kubedns_port,$probe,1,A" \
		--probe="dnsmasq,$ip:$dns_port,$probe,1,A"
	"$bin/selfcheck" get 10s "http://$ip:$healthz_port/readiness" "http://$ip:$sidecar_port/healthz" || true
	check_alive || exit 1
}

# check_alive fails with the last lines of a process that has exited.
check_alive() {
	local name pid
	for name in "${!pids[@]}"; do
		pid=${pids[$name]}
		kill -0 "$pid" 2>/dev/null && continue
		local code=0
		wait "$pid" || code=$?
		wait "${loggers[$name]}" || true
		unset "pids[$name]"
		say "run: $name exited (code $code). Its last lines:" >&2
		tail -n 15 "$scratch/$name.log" >&2
		return 1
	done
}

# wait_ready asks dnsmasq until kube-dns replies through it.
wait_ready() {
	local try
	for ((try = 0; try < 30; try++)); do
		check_alive || exit 1
		"$bin/selfcheck" ask "$ip:$dns_port" TXT "dns-version.$zone" >/dev/null 2>&1 && return
		sleep 1
	done
	fail "no reply for dns-version.$zone from dnsmasq at $ip:$dns_port: see the log above"
}

questions=(
	A "shop.default.svc.$zone"
	SRV "_http._tcp.shop.default.svc.$zone"
	AAAA "front.default.svc.$zone"
	A "db.data.svc.$zone"
	A "db-1.db.data.svc.$zone"
	CNAME "orders.default.svc.$zone"
	PTR 10.96.0.10
	A wiki.corp.example
)

self_check() {
	if [[ -n ${MANIFESTS-} || -n ${CONFIG-} ]]; then
		say "kube-dns replies for $zone."
		return
	fi
	say "Replies of $ip:$dns_port:"
	"$bin/selfcheck" ask "$ip:$dns_port" "${questions[@]}" ||
		say "  (a name in $manifests/*.yaml has no answer: was it edited?)"
}

show() {
	say
	say "Try:"
	if [[ -n ${MANIFESTS-} ]]; then
		say "  dig -p $dns_port @$ip NAME.NAMESPACE.svc.$zone"
	else
		say "  dig -p $dns_port @$ip shop.default.svc.$zone"
		say "  dig -p $dns_port @$ip SRV _http._tcp.shop.default.svc.$zone"
		say "  dig -p $dns_port @$ip db-0.db.data.svc.$zone"
		say "  dig -p $dns_port @$ip -x 10.96.0.10"
		say "  dig -p $dns_port @$ip wiki.corp.example       (a stub domain, with a server on port $corp_port)"
	fi
	cat <<END
Edit, and ask again:
  $manifests/  the cluster, as Kubernetes manifests
  $config/  the ConfigMap: stub domains, upstream name servers
Look:
  http://$ip:$healthz_port/                     http://$ip:$sidecar_port/
  http://$ip:$healthz_port/readiness            http://$ip:$healthz_port/cache
  http://$ip:$sidecar_port/healthcheck/kubedns  http://$ip:$sidecar_port/healthcheck/dnsmasq
  http://$ip:$metrics_port/metrics              http://$ip:$sidecar_port/metrics
END
	command -v dig >/dev/null ||
		say "dig is missing (Debian: bind9-dnsutils). Use $bin/selfcheck ask $ip:$dns_port A NAME"
	say "Ctrl-C stops everything."
}

[[ -d $manifests ]] || fail "MANIFESTS=$manifests: there is no such directory"
compgen -G "$manifests/*.yaml" >/dev/null || compgen -G "$manifests/*.yml" >/dev/null ||
	compgen -G "$manifests/*.json" >/dev/null ||
	fail "MANIFESTS=$manifests: there is no *.yaml, *.yml or *.json file in it (folders below it are not read)"
[[ -d $config ]] || fail "CONFIG=$config: there is no such directory"
find_go
dnsmasq=$("$root/hack/dnsmasq.sh")
build
check_ports
trap '' PIPE # Ctrl-C also ends a pager that reads the output: stop in order all the same
trap 'stop; exit 0' INT TERM HUP
trap stop EXIT
set -m # each process has its own group: Ctrl-C reaches this script, which stops them in order
start_dns
start_corp
wait_ready
start_sidecar
self_check
show
wait -n "${pids[@]}" 2>/dev/null || true
check_alive || exit 1
