# Set-up is done by the targets themselves: on a fresh machine with Go,
# `make demo` and `make test` are enough.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD   := go build -ldflags "-X main.version=$(VERSION)"

# Versions come from above: Go need not ask git, which refuses checkouts of others.
export GOFLAGS := $(shell go env GOFLAGS) -buildvcs=false

# What the tests need of Debian, and the programs by which one sees it is there.
DEBIAN_PACKAGES := prometheus chromium poppler-utils postgresql
DEBIAN_PROGRAMS := prometheus chromium pdftoppm pg_ctlcluster

.PHONY: build demo test chaos trials lint bench golden clean help

build: ## build bin/analyzer and bin/loadgen
	$(BUILD) -o bin/ ./cmd/...

demo: build ## load a sample service in two versions and report, in about a minute
	bin/analyzer demo

test: test-packages ## install what the tests need, then run every test with the race detector
	PLUMBLINE_REQUIRE_SERVERS=1 go test -race -short -timeout 15m ./...
	go test -timeout 5m -run 'TestScripts/demo' ./cmd/analyzer # the demo measures, so it runs alone
	go test -timeout 5m -run TestFaultsAreFoundUnderLoad ./internal/chaos # and so do these
	go test -timeout 5m -run TestNoAllocationPerRequest ./pkg/loadgen # the race detector allocates

.PHONY: test-packages
test-packages:
	@internal/tools/install-packages.sh "$(DEBIAN_PROGRAMS)" "$(DEBIAN_PACKAGES)"

chaos: ## put the sample API, built with faults, under load: is each found? About 20 minutes
	go run ./internal/chaos/cmd/chaos

.bin/golangci-lint: internal/tools/go.mod internal/tools/go.sum
	cd internal/tools && go build -o ../../.bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

lint: .bin/golangci-lint ## check style and common mistakes
	.bin/golangci-lint run ./...

trials: ## put the same build of the sample API and slower ones under load: are comparisons right? 17 minutes
	go run ./internal/trials/cmd/trials

bench: build bench-packages ## measure: loadgen beside wrk and hey, the parts, the statistics (BENCH=--full: half an hour more, trials among it)
	go run ./internal/bench $(BENCH)
	go test -run '^$$' -bench . -benchmem -timeout 1h ./...
	go run ./internal/tcpdbench/cmd/score
	$(if $(filter --full,$(BENCH)),go run ./internal/trials/cmd/trials)

.PHONY: bench-packages
bench-packages:
	@internal/tools/install-packages.sh "wrk hey prometheus" "wrk hey prometheus"

golden: ## rewrite the golden reports and the generated documents; review the difference like code
	go test ./pkg/report ./internal/analysis -run Golden -update
	go test ./pkg/promql/catalog ./pkg/promql/lint -update
	go test ./dashboards ./rules -update

clean: ## remove what was built
	rm -rf bin .bin

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10
