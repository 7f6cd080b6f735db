#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each (default 20s); fails at the end when one of them failed.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
while IFS=: read -r file target; do
	folder=$(dirname "$file")
	echo "fuzz: $target in $folder"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" -fuzzminimizetime 20x "$folder" </dev/null 2>&1 | tee "$log" && continue
	# When the time is up Go 1.26 may report its own deadline as a failure (golang/go#75804). A real one writes its input.
	if grep -q '^    context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"; then
		echo "fuzz: $target: time was up, nothing found"
		continue
	fi
	failed=1
done < <(grep -ro --include='*_test.go' --exclude-dir=node_modules --exclude-dir=data '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' | sort)
exit "$failed"
