#!/usr/bin/env bash
#
# Copies the license texts of Go and of the Go modules that a command links, since these
# licenses require it of every redistributor.
#
#   images/licenses.sh cmd/kube-dns DIR

set -euo pipefail
command=${1:?} out=${2:?}

copy() {
	local from=$1 to=$out/$2 files
	shopt -s nullglob nocaseglob
	files=("$from"/licen[sc]e* "$from"/copying* "$from"/notice* "$from"/patents*)
	shopt -u nullglob nocaseglob
	((${#files[@]} > 0)) || {
		echo "there is no license in $from" >&2
		exit 1
	}
	mkdir -p "$to"
	cp -- "${files[@]}" "$to/"
}

copy "$(go env GOROOT)" go
go -C "$command" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}' . | sort -u |
	while read -r module dir; do
		copy "$dir" "$module"
	done
