# Set-up is done by the targets themselves: on a fresh machine with Go,
# `make demo` and `make test` are enough.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD   := go build -buildvcs=false -ldflags "-X main.version=$(VERSION)"

# What the tests need of Debian, and the programs by which one sees it is there.
DEBIAN_PACKAGES := prometheus chromium
DEBIAN_PROGRAMS := prometheus chromium

.PHONY: build demo test lint bench golden clean help

build: ## build bin/analyzer and bin/loadgen
	$(BUILD) -o bin/ ./cmd/...

demo: build ## load a sample service in two versions and report, in about a minute
	bin/analyzer demo

test: test-packages ## install what the tests need, then run every test with the race detector
	PLUMBLINE_REQUIRE_SERVERS=1 go test -race -timeout 15m ./...

.PHONY: test-packages
test-packages:
	@for p in $(DEBIAN_PROGRAMS); do command -v $$p >/dev/null || missing=yes; done; \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null || { echo "make test needs these programs: $(DEBIAN_PROGRAMS); install them with your system's package manager" >&2; exit 1; }; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		echo "installing $(DEBIAN_PACKAGES)"; \
		$$sudo apt-get update -qq && \
		$$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES) >/dev/null; \
	fi

.bin/golangci-lint: internal/tools/go.mod internal/tools/go.sum
	cd internal/tools && go build -o ../../.bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

lint: .bin/golangci-lint ## check style and common mistakes
	.bin/golangci-lint run ./...

bench: ## measure
	go test -run '^$$' -bench . -benchmem ./pkg/...

golden: ## rewrite the golden reports; review the difference like code
	go test ./pkg/report -update

clean: ## remove what was built
	rm -rf bin .bin

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10
