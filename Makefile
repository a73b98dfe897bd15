# Every entrance to the project. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Settings that a person may give: make upgrade-test DRAIN=off
DRAIN     ?= on
STACK     ?= kind
DURATION  ?= 60s
# make proof: how many times in a row, and which case (all, if it is empty)
PROOF_RUNS ?= 1
PROOF     ?=
# make soak: how many rollouts in a row
ROLLOUTS  ?= 20
# Flags passed on to the harness: make upgrade-test LOADTEST='--steady 60s'
LOADTEST  ?=

SETUP  := go run ./scripts
# The tools on the PATH, Pulumi's state in this folder. It is evaluated in
# each recipe that needs it, so that `make` needs no step before it.
ENV    := env="$$($(SETUP) env)"; eval "$$env"
STAMP  := $(shell date +%Y%m%d-%H%M%S)
GOTEST := go test

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: upgrade-test
upgrade-test: setup bin/loadtest ## everything from nothing to a verdict: cluster, model v1, load, upgrade to v2 under it (DRAIN=off: the unsafe server)
	@DRAIN=$(DRAIN) STACK=$(STACK) scripts/upgrade-test.sh out/upgrade-$(STAMP) $(LOADTEST)

.PHONY: loadtest
loadtest: bin/loadtest ## a steady load on what is deployed, and a report; deploys first if nothing is (DURATION=60s)
	@STACK=$(STACK) scripts/loadtest.sh out/load-$(STAMP) --duration $(DURATION) $(LOADTEST)

.PHONY: soak
soak: setup bin/loadtest ## many upgrades in a row under load, 1,000,000 requests and more, of which none may be lost (about 20 min; ROLLOUTS=20)
	@ROLLOUTS=$(ROLLOUTS) STACK=$(STACK) scripts/soak.sh out/soak-$(STAMP) $(LOADTEST)

.PHONY: up
up: setup ## deploy the stack (STACK=kind): cluster, metrics-server, prediction service
	@STACK=$(STACK) scripts/up.sh

.PHONY: down
down: ## destroy all of the stack
	@STACK=$(STACK) scripts/down.sh

.PHONY: setup
setup: ## put Docker, the tools and the images in place
	@$(SETUP) setup

.PHONY: images
images: ## build the prediction server's images, with model v1 and with v2
	@$(SETUP) images

.PHONY: env
env: setup ## print what a shell needs to type pulumi by hand: eval "$(make env)"
	@$(ENV); pulumi stack select --create $(STACK) >&2; printf '%s\nexport PULUMI_STACK=%s\n' "$$env" $(STACK)

.PHONY: doctor
doctor: ## say what is present, what is missing and how it would be had
	@$(SETUP) doctor

.PHONY: test
test: ## all tests that need no cluster
	$(GOTEST) -race -short ./bench/... ./e2e/... ./loadtest/... ./model/... ./scripts/... ./server/...
	CGO_ENABLED=0 $(GOTEST) -trimpath -short ./infra/...  # one goroutine; compiled as make up does: Pulumi's SDK takes minutes
	cd infra/kindprovider && $(GOTEST) -race -short ./...
	cd scripts/fromsource/pulumi-language-go && $(GOTEST) -race -short ./...

.PHONY: clients-test
clients-test: ## drive the server's binary by clients that are not ours: grpcurl, ghz, curl and what the READMEs say
	@scripts/debian.sh curl
	@clients=$$($(SETUP) clients-path); \
		ROLLPROOF_CLIENTS="$$clients" $(GOTEST) -count 1 -timeout 10m -skip 'TestPage' ./server/conformance

.PHONY: browser-test
browser-test: ## try the server's page and the harness's reports in Chromium (pictures are under out/page)
	@scripts/debian.sh chromium curl
	@ROLLPROOF_BROWSER=/usr/bin ROLLPROOF_SCREENSHOTS="$$PWD/out/page" $(GOTEST) -count 1 -timeout 20m -run 'TestPage' ./server/conformance ./loadtest/report/html

.PHONY: e2e
e2e: setup bin/loadtest ## the tests that need the cluster
	@$(ENV); export ROLLPROOF_LOADTEST="$$PWD/bin/loadtest"; $(GOTEST) -tags e2e -count 1 -timeout 60m -v ./e2e

.PHONY: proof
proof: setup bin/loadtest ## the harness against wrong servers on a cluster of its own: it must see each (about 12 min; PROOF=CASE: one of them; PROOF_RUNS=3: in a row)
	@$(ENV); export ROLLPROOF_LOADTEST="$$PWD/bin/loadtest" PROOF_RUNS=$(PROOF_RUNS) PROOF_STRICT=1; \
		$(GOTEST) -tags e2e -count 1 -timeout $$((15 * $(PROOF_RUNS) + 10))m -v -run 'TestProof$(if $(PROOF),/^($(PROOF))(\#|$$$$))' ./e2e

.PHONY: lint
lint: ## gofmt, go vet and golangci-lint
	@lint=$$($(SETUP) lint-path); for module in . infra/kindprovider scripts/fromsource/pulumi-language-go; do \
		(cd $$module && $$lint run ./...); \
	done

.PHONY: fmt
fmt: ## format the Go files
	gofmt -w bench e2e infra loadtest model scripts server

.PHONY: fuzz
fuzz: ## run each fuzz test for a while (FUZZTIME=30s)
	@scripts/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: proto
proto: ## generate the gRPC code of server/inferencepb (a test holds it to the .proto file)
	cd scripts/fromsource/protobuf && go run . ../../.. ../../.. server/inferencepb/inference.proto

.PHONY: train-check
train-check: ## train the shipped model again and compare byte for byte (installs Debian's scikit-learn)
	@scripts/train-check.sh

.PHONY: numbers
numbers: ## measure what docs/numbers.md holds (COLD=1: also from an empty cache)
	@scripts/numbers.sh

.PHONY: bench
bench: ## measure the server beside what people use instead: a table, a plot (about 13 min; QUICK=1: 2 min, fewer measurements than count)
	@scripts/bench.sh run --out out/bench-$(STAMP) $(if $(QUICK),--quick)

.PHONY: rate
rate: bin/loadtest ## measure what the harness's own work costs, beside plain Vegeta (PAIRS=5; MEMORY=10m: its memory, too)
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/server ./server
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/rate ./bench/rate
	@bin/rate --pairs $(or $(PAIRS),5) $(if $(MEMORY),--memory $(MEMORY)) --out out/rate-$(STAMP)

.PHONY: pgo
pgo: ## make server/default.pgo anew, from a load: go build then optimizes for it
	@scripts/bench.sh profile --out out/pgo-$(STAMP)

.PHONY: stop-docker
stop-docker: ## end Docker's daemon if it is one that setup started
	@$(SETUP) stop-docker

.PHONY: clean
clean: ## remove build output; clusters, state and the cache stay
	rm -rf bin out .rollproof

bin/loadtest: FORCE
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o $@ ./loadtest

.PHONY: FORCE
FORCE:
