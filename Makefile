# The targets for developers. `make` alone prints the list below.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Where Go and dnsmasq may be without being in everyone's PATH.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/usr/local/sbin

# The modules whose code is ours and quick to build.
MODULES := . cmd/node-cache cmd/kubectl-kubedns e2e tools

# A release is named by its tag; else the commands find out by themselves.
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
LDFLAGS = -s -w -X github.com/kube-dns/kube-dns/internal/cli.version=$(VERSION)

.PHONY: help
help: ## Print this list
	@echo "Usage: make TARGET [VARIABLE=value ...]"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 } \
		/^## / { printf "  %-11s   %s\n", "", substr($$0, 4) }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: ## Run kube-dns, dnsmasq and the sidecar on this machine, without a cluster
## hack/run.sh -h names its variables, for example: MANIFESTS=~/my-cluster V=2 make run
	@hack/run.sh

.PHONY: test
test: go ## Vet and test everything but e2e (a few minutes, the first time more)
	@hack/dnsmasq.sh >/dev/null
	go vet ./...
	go test $(RACE) -shuffle=on ./...
	go -C cmd/node-cache vet ./...
	go -C cmd/node-cache test $(RACE) -shuffle=on ./...
	go -C cmd/kubectl-kubedns vet ./...
	go -C cmd/kubectl-kubedns test $(RACE) -shuffle=on ./...

.PHONY: e2e
e2e: go ## Test the three commands against a real control plane (e2e/README.md)
	@hack/dnsmasq.sh >/dev/null
	@e2e/run.sh

.PHONY: clients
clients: go ## Ask the pod with glibc, musl, c-ares, Go, Java, nginx, HAProxy, unbound and CoreDNS; needs root (2 to 4 minutes)
## RUN='TestClients/musl' only these
	@hack/dnsmasq.sh >/dev/null
	go -C e2e test -count=1 $(if $(RUN),-run '$(RUN)') ./clients

.PHONY: pages
pages: go ## Test the status pages of the commands in Chromium (about a minute)
## PAGES_DIR=DIR keeps screenshots
	@command -v chromium >/dev/null || { echo "there is no chromium: install it (Debian: package chromium)" >&2; exit 1; }
	@hack/dnsmasq.sh >/dev/null
	PAGES_DIR='$(if $(PAGES_DIR),$(abspath $(PAGES_DIR)))' go -C e2e test -count=1 ./pages

.PHONY: chaos
chaos: go ## Do harm to a running pod and count what is lost (docs/reliability.md; about 17 minutes)
## CASES=1,9 only these; UPDATE=1 puts the table into docs/reliability.md
	@hack/dnsmasq.sh >/dev/null
	@e2e/run.sh -tags=chaos -run='^TestChaos$$' $(if $(CASES),-cases=$(CASES)) $(if $(UPDATE),-update=true)

.PHONY: alerts
alerts: go ## Do harm to running pods that a real Prometheus scrapes: alerts fire and clear; needs root (about 8 minutes)
## CASES=1,4 only these
	@hack/dnsmasq.sh >/dev/null
	@e2e/run.sh -tags=chaos -run='^TestAlerts' $(if $(CASES),-cases=$(CASES))

.PHONY: e2e-cluster
e2e-cluster: go ## Test the pod on a real node: kubelet, containerd, kube-proxy; needs root (about 50 minutes)
## RUN='TestNode/names$$' only these (e2e/node/run.sh --help)
	@e2e/node/run.sh $(if $(RUN),-run '$(RUN)')

.PHONY: build
build: go ## Build the commands into bin/, for any Linux of this architecture
## VERSION=v1.2.3 is what they call themselves (default: the tag, else the revision)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/kube-dns ./cmd/dnsmasq-nanny ./cmd/sidecar
	CGO_ENABLED=0 go -C cmd/node-cache build -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ .

.PHONY: plugin
plugin: go ## Build the kubectl plugin into bin/: put it into PATH for `kubectl kubedns` (docs/kubectl-kubedns.md)
## GOOS=darwin GOARCH=arm64 for another system
	CGO_ENABLED=0 go -C cmd/kubectl-kubedns build -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ .
	install -m 755 cmd/kubectl-kubedns/kubectl_complete-kubedns bin/

.PHONY: images
images: go ## Pack the commands into container images, dist/images/*.tar, without a container engine
## VERSION=v1.2.3, REGISTRY=registry.example/dns (localhost), TAG (VERSION, else dev), GOARCH=arm64
	@REGISTRY='$(REGISTRY)' VERSION='$(VERSION)' TAG='$(TAG)' images/build.sh

.PHONY: release
release: go ## Make all parts of a release in dist/release/VERSION: images, chart, install files, checksums
## VERSION=v1.2.3 REGISTRY=registry.example/dns; ARCHS=amd64 for one architecture; SIGN_KEY=key.pem
	@REGISTRY='$(REGISTRY)' VERSION='$(VERSION)' ARCHS='$(ARCHS)' SIGN_KEY='$(SIGN_KEY)' images/release.sh

.PHONY: push
push: go ## Push the images and the chart of a release
## VERSION=v1.2.3 REGISTRY=registry.example/dns
	@REGISTRY='$(REGISTRY)' VERSION='$(VERSION)' images/push.sh

.PHONY: image-tests
image-tests: go ## Run the programs of the images of each architecture up to an answer, with qemu (about 4 minutes)
## ARCHS="arm64 s390x" only these
	@hack/dnsmasq.sh >/dev/null
	ARCHS='$(ARCHS)' go -C e2e test -count=1 -v -timeout 30m ./images

.PHONY: manifests
manifests: go ## Check manifests/ and charts/ (fields of API releases old and new, flags, Pod Security) and the tools
	@hack/dnsmasq.sh >/dev/null
	go -C tools vet ./...
	go -C tools test -count=1 ./... # reads files outside its module

.PHONY: monitoring
monitoring: go ## Check monitoring/: rules and their tests with promtool, metrics, runbooks, dashboards
	@command -v promtool >/dev/null || { echo "there is no promtool: install it (Debian: package prometheus)" >&2; exit 1; }
	promtool check rules monitoring/rules/*.yaml
	promtool test rules monitoring/tests/*.yaml
	go -C tools test -count=1 ./monitoring/... # reads files outside its module

.PHONY: lint
lint: go prose bin/tools/golangci-lint bin/tools/actionlint ## Check house style: .golangci.yml, prose, workflows, and shellcheck where it is installed
	@for module in $(MODULES); do \
		echo "golangci-lint run ($$module)"; \
		(cd $$module && $(CURDIR)/bin/tools/golangci-lint run ./...); \
	done
	@echo actionlint; bin/tools/actionlint
	@if command -v shellcheck >/dev/null; then \
		echo shellcheck; \
		shellcheck -x -P SCRIPTDIR $(SCRIPTS); \
	else \
		echo "shellcheck is not installed: the shell scripts are not checked"; \
	fi

.PHONY: prose
prose: go bin/tools/vale ## Check documents and comments for plain English (.vale/)
## HINTS=1 also long sentences and words to look at twice
	@bin/tools/vale --no-wrap --output=line $(if $(HINTS),--minAlertLevel=suggestion) $(PROSE)

.PHONY: verify
verify: go ## Check what is committed with the code: formatting, go.mod, generated documents
	@echo "gofmt -l"; test -z "$$(gofmt -l $(GO_FILES) | tee /dev/stderr)" || { echo "run gofmt -w on these files"; exit 1; }
	@for module in $(MODULES); do \
		echo "go vet, go mod tidy -diff ($$module)"; \
		go -C $$module vet ./...; \
		go -C $$module mod tidy -diff; \
	done
	go test ./internal/layout
	go test ./cmd/... -run='^TestDocs$$'

.PHONY: fuzz
fuzz: go ## Run each fuzz target for a while
## FUZZTIME=20s for each; PKG=./pkg/skydns only there
	@FUZZTIME=$(FUZZTIME) hack/fuzz.sh $(PKG)
	$(if $(filter ./...,$(PKG)),@FUZZTIME=$(FUZZTIME) MODULE=cmd/node-cache hack/fuzz.sh)
	$(if $(filter ./...,$(PKG)),@FUZZTIME=$(FUZZTIME) MODULE=cmd/kubectl-kubedns hack/fuzz.sh)

.PHONY: bench
bench: go ## Measure kube-dns next to CoreDNS, NSD and Knot DNS on a real API server (e2e/bench/README.md)
## QUICK=1 a few minutes instead of 45; PEERS=kube-dns,coredns only these; PAGE=1 rewrites docs/performance.md
	$(if $(filter command,$(firstword $(origin PKG)) $(firstword $(origin BENCH))),$(error PKG and BENCH are for "make microbench"))
	@QUICK='$(QUICK)' PEERS='$(PEERS)' PAGE='$(PAGE)' e2e/bench/run.sh

.PHONY: microbench
microbench: go bin/tools/benchstat ## Run the benchmarks of the packages and compare with the run before
## BENCH=Lookup only these; PKG=./pkg/treecache only there; COUNT=6 runs of each
	@mkdir -p bin/microbench
	@if [ -f bin/microbench/new.txt ]; then mv bin/microbench/new.txt bin/microbench/old.txt; fi
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) $(PKG) | tee bin/microbench/new.txt
	@if [ -f bin/microbench/old.txt ]; then bin/tools/benchstat bin/microbench/old.txt bin/microbench/new.txt; fi

.PHONY: vulncheck
vulncheck: go bin/tools/govulncheck ## Look for known vulnerabilities (asks a database on the network)
	bin/tools/govulncheck ./...

.PHONY: clean
clean: ## Remove what was built here (not Go's caches, the control plane of e2e, or measurements)
	rm -rf bin dist

FUZZTIME ?= 20s
BENCH ?= .
COUNT ?= 6
PKG ?= ./...

# The race detector needs cgo and a C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race,$(warning no C compiler: testing without the race detector))

# Also what is not committed yet.
GO_FILES = $(wildcard $(shell git ls-files -co --exclude-standard '*.go'))
PROSE = $(wildcard $(shell git ls-files -co --exclude-standard '*.go' '*.md'))
SCRIPTS = $(wildcard $(shell git ls-files -co --exclude-standard '*.sh' .ci/run))

.PHONY: go
go:
	@command -v go >/dev/null || { echo "there is no go command: install Go (https://go.dev/dl), at least the version that go.mod names" >&2; exit 1; }

# This one needs another version of a YAML library than the tools below.
bin/tools/actionlint:
	@echo "building $@ (once)"
	@GOBIN=$(CURDIR)/bin/tools go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# The tools are a module of their own: what they need never enters ours.
bin/tools/%: tools/go.mod tools/go.sum
	@echo "building $@ (once; golangci-lint takes two to four minutes)"
	@go build -C tools -o $(CURDIR)/$@ "$$(go -C tools list tool | grep '/$*$$')"
