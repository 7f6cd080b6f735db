#!/usr/bin/env bash
# Runs the gateway for the Raspberry Pi under qemu: its programs, and the tests of what depends on the processor (the
# queue's format and counters: 64-bit atomics must be aligned on armv7).
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v qemu-arm-static >/dev/null 2>&1; then
	echo "test-arm: SKIPPED: qemu-arm-static (Debian package qemu-user-static) can't be had here: nothing was run for arm"
	exit 0
fi
go test -timeout 14m -run '^TestArm' ./firmware-gateway/deb
# Not here: tests that start themselves anew (kill), those that measure, one that takes minutes under qemu, and the uplink,
# whose broker is too slow under emulation for its time limits.
for arch in "arm GOARM=7 qemu-arm-static" "arm64 _=_ qemu-aarch64-static"; do
	read -r goarch option qemu <<<"$arch"
	echo "test-arm: $goarch"
	env CGO_ENABLED=0 GOARCH="$goarch" "$option" go test -timeout 14m -exec "$qemu" -skip 'Kill|Bench|Memory|LastSegmentCutAtEveryByte' \
		./firmware-gateway/spool ./firmware-gateway/watchdog ./firmware-gateway/health ./firmware-gateway/sampler ./internal/wire
done
