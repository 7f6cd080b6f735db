# Karkhana. `make help` lists what there is.
.DEFAULT_GOAL := build
SHELL := /bin/bash

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO_FILES := $(shell find . -name '*.go' -not -path './dashboards/web/node_modules/*')
EMBEDDED := $(shell find . \( -name '*.yaml' -o -name '*.sql' -o -name '*.json' -o -name '*.html' \) -not -path '*/node_modules/*' -not -path './data/*' -not -path './dashboards/web/dist/*')
WEB := dashboards/web
WEB_SOURCES := $(shell find $(WEB) -type f -not -path '$(WEB)/node_modules/*' -not -path '$(WEB)/dist/*' -not -name '*.go') dashboards/api/openapi.json
LISTEN ?= 127.0.0.1:8080
DATA ?= data/demo
COUNTRY_FOR ?= 5m
GOLANGCI_VERSION := v2.15.0
NFPM_VERSION := v2.45.2

.PHONY: help
help: ## show this list
	@awk -F':.*## ' '/^[a-z][a-zA-Z_-]*:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/influxd bin/karkhana bin/karkhana-gateway ## build everything into bin/

bin/influxd: tools/influxd.mod tools/influxd.sum
	@echo "build: InfluxDB 1.8.10 from source (once, about two minutes with empty caches)"
	@mkdir -p bin
	go build -modfile=tools/influxd.mod -trimpath -ldflags "-s -w" -o $@ github.com/influxdata/influxdb/cmd/influxd

bin/karkhana: $(GO_FILES) $(EMBEDDED) go.mod $(WEB)/dist/index.html
	@echo "build: karkhana (the first time with empty caches takes some minutes)"
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $@ .

bin/karkhana-gateway: $(GO_FILES) $(EMBEDDED) go.mod
	@echo "build: karkhana-gateway"
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $@ ./firmware-gateway

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	@echo "build: npm packages of the pages"
	cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "build: pages"
	cd $(WEB) && npm run build --silent

.PHONY: run
run: setup build ## start the demo CFC; opens at http://127.0.0.1:8080 (LISTEN=host:port, DATA=folder)
	bin/karkhana demo --listen $(LISTEN) --data $(DATA)

.PHONY: setup
setup:
	@tools/setup.sh

.PHONY: setup-test
setup-test:
	@tools/setup.sh test

.PHONY: test
test: setup-test build bin/nfpm ## everything that CI runs: vet, Go tests, recordings, arm under qemu, pages, browser
	go vet ./...
	go test -timeout 14m ./...
	tools/test-arm.sh
	cd $(WEB) && npm test --silent
	cd $(WEB) && npm run e2e --silent

.PHONY: test-arm
test-arm: setup-test bin/nfpm ## the gateway for the Raspberry Pi (arm64, armv7) under qemu
	tools/test-arm.sh

.PHONY: test-systemd
test-systemd: bin/nfpm ## the gateway's package with a real systemd in namespaces (root, three minutes)
	tools/test-systemd.sh

.PHONY: test-race
test-race: setup-test build bin/nfpm ## Go tests under the race detector
	go test -race -timeout 30m ./...

.PHONY: test-recordings
test-recordings: build ## replay recorded machine data through the whole line and compare with its ground truth
	@set -o pipefail; go test -count=1 -timeout 14m -run '^TestRecordings$$' -v . | tee bin/recordings.log | grep -v -e '^=== ' -e '^result:'
	@grep '^result:' bin/recordings.log || echo 'the recordings are not here (../shared/data): nothing was compared'

SEED ?= 1
SEEDS ?= 20
.PHONY: bench-faults
bench-faults: setup-test bin/influxd ## break the whole line by seed and compare every sample sent with every one stored (SEED=1 SEEDS=20)
	@set -o pipefail; go test -count=1 -timeout 0 ./tools/benchfaults -run '^TestSeeds$$' -v -seed $(SEED) -seeds $(SEEDS) -args $(BENCH_FAULTS) | grep -v -e '^=== '

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (default 20s)
	@tools/fuzz.sh

.PHONY: bench
bench: build ## benchmarks of the hot paths, with shares of the store's own limit
	@tools/bench.sh

.PHONY: bench-ingest
bench-ingest: build bin/benchingest ## broker + ingest + influxd as processes, beside the store's own limit (INGEST_BENCH="-rounds 5 -for 30s")
	bin/benchingest compare $(INGEST_BENCH)

.PHONY: bench-country
bench-country: build bin/benchingest ## 120,000 values/s of 20,000 machines for five minutes, with analytics (COUNTRY_FOR=1m)
	bin/benchingest country -for $(COUNTRY_FOR) $(INGEST_BENCH)

.PHONY: bench-growth
bench-growth: build bin/benchingest ## 1,000 to 20,000 machines and 1 to 3 ingest processes, as a table
	bin/benchingest growth $(INGEST_BENCH)

.PHONY: bench-lanes
bench-lanes: build bin/benchingest ## live packs while 50 gateways drain a backlog
	bin/benchingest lanes $(INGEST_BENCH)

bin/benchingest: $(GO_FILES) go.mod
	@mkdir -p bin
	go build -trimpath -o $@ ./tools/benchingest

.PHONY: packages
packages: bin/nfpm ## Debian packages of the gateway for arm64, armv7 and amd64 into dist/
	tools/packages.sh "$(VERSION)" dist arm64 armv7 amd64

# The newest nfpm whose dependencies all download everywhere.
bin/nfpm:
	@echo "build: nfpm $(NFPM_VERSION) (once, half a minute)"
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin go install -trimpath -ldflags "-s -w" github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

.PHONY: bench-gateway
bench-gateway: ## the gateway against its budget: memory, CPU, flash, bytes on the wire (GATEWAY_BENCH="-for 10m -dir /mnt/card")
	go run ./firmware-gateway/benchgateway $(GATEWAY_BENCH)

.PHONY: bench-reports
bench-reports: bin/influxd ## the month of 40 machines as PDF: from InfluxDB, and the paper alone
	@echo "building the bench, then each paper 5 times; it ends after 120 s at the latest" >&2
	@go test -run '^$$' -bench MonthPDF -benchtime 5x -timeout 120s -v ./analytics/report | tee /dev/stderr | awk '$$1 ~ /PDF.site-hi/ && $$3 > 0 { all = $$3 / 1e6; kb = $$5 } $$1 ~ /PDF.paper-hi/ { paper = $$3 / 1e6 } \
		END { if (!all || !paper) exit 1; printf "result: month_pdf_40_machines_ms=%.0f paper_ms=%.0f file_kb=%.0f\n", all, paper, kb }'

.PHONY: bench-states
bench-states: ## ways of finding thresholds against recordings and simulated machines; writes the table in docs/states.md
	go run ./tools/benchstates
.PHONY: bench-analytics
bench-analytics: bin/influxd ## the fold, a machine-year, a month's figures and a nation of machines (ANALYTICS_BENCH="-days 30 -nation 100,1000")
	go run ./tools/benchanalytics $(ANALYTICS_BENCH)

.PHONY: bench-drift
bench-drift: ## which changes of machines are told and which false alarms there are, into docs/states.md
	go run ./tools/benchstates drift

.PHONY: lint
lint: bin/golangci-lint ## go vet, golangci-lint (staticcheck inside), gofmt
	bin/golangci-lint run ./...

bin/golangci-lint:
	@echo "build: golangci-lint $(GOLANGCI_VERSION) (once, some minutes)"
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: openapi
openapi: ## write dashboards/api/openapi.json anew after a change of the API
	UPDATE=1 go test -count=1 -run OpenAPIFile ./dashboards/api

.PHONY: kits
kits: ## draw docs/kits anew after a change of a kit
	go generate ./hardware/kit

.PHONY: clean
clean: ## remove what was built (bin, dist, pages); keeps data/
	rm -rf bin dist $(WEB)/node_modules
	find $(WEB)/dist -mindepth 1 -not -name .gitkeep -delete 2>/dev/null || true
