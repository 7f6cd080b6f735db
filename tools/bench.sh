#!/usr/bin/env bash
# Runs the benchmarks of the hot paths in one go and ends with one line of figures:
# what each part of the line takes, and the line (broker + ingest) and reading back as shares of the store's own limit,
# measured in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -run '^$' -bench . -benchtime "${BENCHTIME:-1s}" ./internal/wire ./internal/tsdb ./internal/registry ./ingest \
	./analytics ./analytics/fold ./firmware-gateway/spool ./hardware/... | grep -v -e '^PASS' -e '^ok ' -e 'no test files' | tee "$log"

# value UNIT REGEXP: the figure before UNIT in the first benchmark line that matches.
value() {
	awk -v unit="$1" -v name="$2" '$1 ~ name { for (i = 3; i <= NF; i++) if ($i == unit) { print $(i-1); exit } }' "$log"
}
store=$(value points/s '^BenchmarkInfluxWrite')
awk -v decode="$(value Mvalues/s '^BenchmarkDecode/cbor')" -v batch="$(value Mvalues/s '^BenchmarkDecodeAndBatch/cbor')" \
	-v broker="$(value Mvalues/s '^BenchmarkThroughBroker')" -v store="$store" -v read="$(value values/s '^BenchmarkInfluxRead')" \
	-v fold="$(value Msamples/s '^BenchmarkFold')" -v month="$(value Msamples/s '^BenchmarkInfluxRebuildMonth')" \
	-v spool="$(value packs/s '^BenchmarkAppend')" 'BEGIN {
	limit = store * 3 / 1e6 # points of three values
	printf "result: decode_mvalues_per_s=%s ingest_batch_mvalues_per_s=%s line_mvalues_per_s=%s store_limit_mvalues_per_s=%.2f line_of_store_limit=%.2f read_mvalues_per_s=%.2f fold_msamples_per_s=%s rebuild_msamples_per_s=%s spool_packs_per_s=%s\n",
		decode, batch, broker, limit, broker / limit, read / 1e6, fold, month, spool
}'
