# shellcheck shell=bash
# Functions shared by up.sh and down.sh. Sourced, not run.

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# need TOOL...: all of them are in PATH.
need() {
	local tool missing=()
	for tool in "$@"; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[ ${#missing[@]} -eq 0 ] ||
		die "not installed: ${missing[*]} (Debian: apt-get install openssl curl util-linux mawk)"
}

# free_ports N: the first of N TCP ports in a row where nothing listens, below
# the range that the kernel takes the ports of outgoing connections from.
free_ports() {
	local _ i base
	for _ in {1..50}; do
		base=$((20000 + (RANDOM % 1500) * 8))
		for ((i = 0; i < $1; i++)); do
			! (exec 3<>"/dev/tcp/127.0.0.1/$((base + i))") 2>/dev/null || continue 2
		done
		printf '%s\n' "$base"
		return 0
	done
	return 1
}

# The start time of a process, in clock ticks since boot. With the pid it names
# one process for good: a pid that was reused has another start time.
proc_start() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	# shellcheck disable=SC2086
	set -- $stat
	[ "$1" != Z ] || return 1
	printf '%s\n' "${20}"
}

# alive NAME: the process that start NAME recorded is still running.
alive() {
	local pid start
	[ -s "$DIR/run/$1.pid" ] || return 1
	read -r pid start <"$DIR/run/$1.pid"
	[ "$(proc_start "$pid")" = "$start" ]
}

pid_of() { cut -d' ' -f1 "$DIR/run/$1.pid"; }

# start NAME COMMAND...: runs COMMAND in its own session with its log in
# DIR/log/NAME.log, and records "pid starttime" in DIR/run/NAME.pid.
start() {
	local name=$1 pid
	shift
	if alive "$name"; then
		say "$name is running already (pid $(pid_of "$name"))"
		return 0
	fi
	setsid "$@" >>"$DIR/log/$name.log" 2>&1 </dev/null &
	pid=$!
	printf '%s %s\n' "$pid" "$(proc_start "$pid")" >"$DIR/run/$name.pid"
}

# stop NAME [SECONDS]: TERM, then KILL after SECONDS (10), always by the
# recorded pid, and only while that pid is still the process that was started.
stop() {
	local name=$1 tries=$((${2:-10} * 10)) pid
	if ! alive "$name"; then
		rm -f "$DIR/run/$name.pid"
		return 0
	fi
	pid=$(pid_of "$name")
	kill -TERM "$pid" 2>/dev/null
	while alive "$name" && [ "$tries" -gt 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	if alive "$name"; then
		say "$name (pid $pid) did not stop in time: killing it"
		kill -KILL "$pid" 2>/dev/null
		while alive "$name"; do sleep 0.1; done
	fi
	rm -f "$DIR/run/$name.pid"
	say "$name stopped"
}

# wait_for NAME SECONDS COMMAND...: until COMMAND succeeds; fails at once,
# with the end of the log, when the process NAME has gone.
wait_for() {
	local name=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if ! alive "$name"; then
			tail -n 20 "$DIR/log/$name.log" >&2
			die "$name exited"
		fi
		if [ "$SECONDS" -ge "$end" ]; then
			tail -n 20 "$DIR/log/$name.log" >&2
			die "$name is not ready in time"
		fi
		sleep 0.1
	done
}

# find_bin NAME: the binary, from $CLUSTER_BIN, DIR/bin, the cache of build.sh,
# or PATH.
find_bin() {
	local dir
	for dir in "${CLUSTER_BIN:-}" "$DIR/bin" "$("$HERE/build.sh" --path 2>/dev/null)"; do
		if [ -n "$dir" ] && [ -x "$dir/$1" ]; then
			printf '%s\n' "$dir/$1"
			return 0
		fi
	done
	command -v "$1" || die "no binary $1: run $HERE/build.sh, or set CLUSTER_BIN to the folder that holds it"
}

# make_cert NAME SUBJECT EXTENSION...: an ECDSA key and a certificate signed by
# the cluster's CA, once.
make_cert() {
	local name=$1 subject=$2
	shift 2
	[ ! -s "$PKI/$name.crt" ] || return 0
	printf '%s\n' "basicConstraints=critical,CA:FALSE" \
		"keyUsage=critical,digitalSignature,keyEncipherment" "$@" >"$PKI/$name.ext"
	openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$name.key" 2>/dev/null
	openssl req -new -key "$PKI/$name.key" -subj "$subject" -out "$PKI/$name.csr" 2>/dev/null
	openssl x509 -req -in "$PKI/$name.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" \
		-CAcreateserial -days 3650 -sha256 -extfile "$PKI/$name.ext" \
		-out "$PKI/$name.crt.tmp" 2>/dev/null || die "cannot sign the certificate $name"
	mv "$PKI/$name.crt.tmp" "$PKI/$name.crt"
	rm -f "$PKI/$name.csr" "$PKI/$name.ext"
	chmod 600 "$PKI/$name.key"
}

# make_kubeconfig FILE SERVER USER CERT: everything embedded, so that the file
# can be copied and mounted anywhere.
make_kubeconfig() {
	cat >"$1.tmp" <<-YAML
		apiVersion: v1
		kind: Config
		clusters:
		- name: e2e
		  cluster:
		    server: $2
		    certificate-authority-data: $(base64 -w0 <"$PKI/ca.crt")
		users:
		- name: $3
		  user:
		    client-certificate-data: $(base64 -w0 <"$PKI/$4.crt")
		    client-key-data: $(base64 -w0 <"$PKI/$4.key")
		contexts:
		- name: e2e
		  context: {cluster: e2e, user: $3}
		current-context: e2e
	YAML
	chmod 600 "$1.tmp"
	mv "$1.tmp" "$1"
}
