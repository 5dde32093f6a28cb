#!/usr/bin/env bash
#
# Runs each fuzz target of a module for a while, one after the other; `make fuzz` calls
# it. Go stores a failing input in testdata/fuzz of its package, as a new test case.
#
#   fuzz.sh [package...]     default: ./...
#
#   FUZZTIME=20s             time for each target
#   MODULE=cmd/node-cache    another module than the top of the repository

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../${MODULE:-.}"

if (($# == 0)); then
	set -- ./...
fi
time=${FUZZTIME:-20s}

# For each package go test prints its targets and then "ok  PACKAGE  TIME".
listed=$(go test -list '^Fuzz' "$@")
mapfile -t targets < <(awk '
	/^Fuzz/ { name[n++] = $1 }
	/^ok/ { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }' <<<"$listed")
if ((${#targets[@]} == 0)); then
	echo "fuzz: no fuzz target in $*" >&2
	exit 1
fi

failed=()
for i in "${!targets[@]}"; do
	read -r package target <<<"${targets[i]}"
	echo "fuzz: $((i + 1)) of ${#targets[@]}: $package $target, $time"
	go test -run='^$' -fuzz="^$target\$" -fuzztime="$time" "$package" || failed+=("$package $target")
done
if ((${#failed[@]} > 0)); then
	printf 'fuzz: failed: %s\n' "${failed[@]}" >&2
	exit 1
fi
echo "fuzz: all ${#targets[@]} targets passed"
