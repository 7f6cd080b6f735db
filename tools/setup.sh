#!/usr/bin/env bash
# Installs the Debian packages that Karkhana's tests and pages need, if they are missing.
# Usage: tools/setup.sh [test]     without an argument: what `make run` needs; with `test`: what `make test` needs.
# Works as root or with sudo. Safe to run again: it does nothing when everything is there.
set -euo pipefail

need_command() { # command package reason
	if ! command -v "$1" >/dev/null 2>&1 && ! ls $1 >/dev/null 2>&1; then
		missing+=("$2")
		echo "setup: $2 is missing ($3)"
	fi
}

for tool in go node npm; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "setup: $tool is not installed. Karkhana builds with Go 1.26 and Node 20 or newer: install it and run this again." >&2
		exit 1
	fi
done

missing=()
need_command git git "builds stamp their version"
if [ "${1:-}" = test ]; then
	need_command /usr/sbin/mosquitto mosquitto "the broker tests also run against Mosquitto"
	need_command '/usr/lib/postgresql/*/bin/postgres' postgresql "the registry tests also run on PostgreSQL"
	need_command chromium chromium "the pages are tested in a real browser"
	need_command '/usr/share/fonts/truetype/lohit-devanagari/*' fonts-lohit-deva "Hindi in the browser tests"
fi
optional=()
if [ "${1:-}" = test ] && ! command -v qemu-arm-static >/dev/null 2>&1; then
	optional=(qemu-user-static)
	echo "setup: qemu-user-static is missing (the programs for the Raspberry Pi are run in the tests)"
fi
[ ${#missing[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ] && exit 0

install_packages() {
	run=()
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null 2>&1 || { echo "setup: not root and no sudo: install by hand: $*" >&2; return 1; }
		run=(sudo)
	fi
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "setup: this is not Debian: install by hand what these packages hold: $*" >&2
		return 1
	fi
	echo "setup: installing $* (Debian packages, once)"
	"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq || return 1
	# The Debian services themselves are not wanted: the tests start their own on free ports.
	"${run[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ ${#missing[@]} -gt 0 ]; then
	install_packages "${missing[@]}" || exit 1
fi
if [ ${#optional[@]} -gt 0 ]; then
	install_packages "${optional[@]}" || echo "setup: going on without ${optional[*]}: the programs for the Raspberry Pi are built but not run" >&2
fi
echo "setup: done"
