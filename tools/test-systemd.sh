#!/usr/bin/env bash
# The gateway's package with a real systemd: boots one in namespaces of its own, over a throw-away copy of this system,
# without network; installs, starts, upgrades, breaks, hangs, removes. Needs root, about three minutes.
# Usage: tools/test-systemd.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = inside ]; then # run by the systemd that was booted
	trap 'echo "FAILED in line $LINENO"; exit 1' ERR
	unit=karkhana-gateway
	version() { karkhana-gateway version; }
	refused() { ! "$@"; } # a command that must fail
	step() { echo "test-systemd: $(date +%T) $*"; }
	ip link set lo up
	cd /packages

	step install, not started without a key
	dpkg -i karkhana-gateway_1.0.0_amd64.deb
	systemctl start $unit
	refused systemctl is-active $unit
	[ "$(systemctl is-enabled $unit)" = enabled ]
	cat >/etc/karkhana/gateway.yaml <<-Y
		site: s
		gateway: g
		broker: mqtt://127.0.0.1:1
		key_file: gateway.key
		card_salt_file: site.salt
		data: /var/lib/karkhana
		machines:
		  - {id: furnace-1, source: sim, sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}}
	Y
	echo key >/etc/karkhana/gateway.key
	echo salt >/etc/karkhana/site.salt
	chmod 640 /etc/karkhana/*

	step start: active after the first reading, closed off
	systemctl start $unit
	pid=$(systemctl show -p MainPID --value $unit)
	grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	grep -q '^CapEff:.0*$' "/proc/$pid/status"
	[ "$(stat -c %U "/proc/$pid")" = karkhana ]
	# What the unit's own sandbox lets a program do: no writing outside its folder, but asking for the clock's state.
	sandbox() { # condition
		sed -e '/^Exec/d' -e 's/^Type=.*/Type=oneshot/' -e '/^Restart/d' -e '/^WatchdogSec/d' -e '/^RuntimeDirectory/d' \
			-e "/^User=/a ExecStart=$1" "/usr/lib/systemd/system/$unit.service" >/run/systemd/system/sandbox.service
		systemctl daemon-reload
		systemctl start sandbox.service
	}
	sandbox '/bin/touch /var/lib/karkhana/x'
	refused sandbox '/bin/touch /usr/x'
	sandbox '/bin/touch /etc/karkhana/x' # the local page saves gateway.yaml there
	rm /etc/karkhana/x
	refused sandbox '/bin/date --set=2020-01-01'
	if command -v python3 >/dev/null; then
		sandbox "/usr/bin/env python3 -c 'import ctypes,sys; sys.exit(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) < 0)'"
	fi
	step the commands beside the running gateway: for root and its group only
	[ "$(stat -c '%a %U %G' /run/karkhana/gateway.sock)" = "660 karkhana karkhana" ]
	karkhana-gateway watch --once -c /etc/karkhana/gateway.yaml | grep -q '^furnace-1 *power '
	refused setpriv --reuid=nobody --clear-groups karkhana-gateway scan --units 1
	sleep 6
	karkhana-gateway health -c /etc/karkhana/gateway.yaml

	step upgrade to a good version
	karkhana-gateway upgrade --deb karkhana-gateway_1.1.0_amd64.deb
	[ "$(version)" = "karkhana-gateway 1.1.0" ]
	[ "$(dpkg-query -f '${Version}' -W $unit)" = 1.1.0 ]

	for broken in 1.2.0 1.3.0; do
		step "upgrade to a broken version ($broken) and back"
		refused karkhana-gateway upgrade --wait 15s --deb karkhana-gateway_${broken}_amd64.deb
		[ "$(version)" = "karkhana-gateway 1.1.0" ]
		[ "$(dpkg-query -f '${Version}' -W $unit)" = 1.1.0 ]
		systemctl is-active $unit
	done

	step an upgrade that is killed: the former version is back at the next start
	karkhana-gateway upgrade --deb karkhana-gateway_1.2.0_amd64.deb &
	sleep 5
	kill -9 $!
	grep -q 1.2.0 /usr/lib/karkhana/karkhana-gateway
	systemctl restart $unit
	[ "$(version)" = "karkhana-gateway 1.1.0" ]

	step a gateway that hangs is started anew by the watchdog
	kill -STOP "$(systemctl show -p MainPID --value $unit)"
	sleep 45
	[ "$(systemctl show -p NRestarts --value $unit)" = 1 ]
	systemctl is-active $unit
	karkhana-gateway spool verify -c /etc/karkhana/gateway.yaml

	step remove keeps the queue, purge does not
	dpkg -r $unit
	[ -d /var/lib/karkhana/spool ]
	[ ! -e /usr/lib/karkhana ]
	dpkg -P $unit
	[ ! -e /var/lib/karkhana ]
	[ ! -e /etc/karkhana ]
	echo "test-systemd: all is well" | tee /passed
	exit
fi

if [ "$(id -u)" -ne 0 ] || [ "$(dpkg --print-architecture)" != amd64 ]; then
	echo "test-systemd: SKIPPED: needs root on a Debian for amd64"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{packages,up,over,m}
for version in 1.0.0 1.1.0; do
	tools/packages.sh $version "$work/packages" amd64
done
for broken in 1.2.0:'exec sleep 1000' 1.3.0:'exit 1'; do # both pass what is tried before they are started
	version=${broken%%:*} x=$work/x
	dpkg-deb -R "$work/packages/karkhana-gateway_1.1.0_amd64.deb" "$x"
	sed -i "s/^Version: .*/Version: $version/" "$x/DEBIAN/control"
	printf '#!/bin/sh\ncase $1 in version | check) echo %s; exit 0 ;; esac\n%s\n' "$version" "${broken#*:}" >"$x/usr/lib/karkhana/karkhana-gateway"
	dpkg-deb --root-owner-group -b "$x" "$work/packages/karkhana-gateway_${version}_amd64.deb" >/dev/null
	rm -rf "$x"
done
cat >"$work/boot.sh" <<'B'
set -e
work=$1 m=$1/m
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/up,workdir=$work/over" "$m"
mount -t proc proc "$m/proc"
mount -o bind,ro "$m/proc/sys" "$m/proc/sys"
mount -t sysfs -o ro sysfs "$m/sys"
mount -t cgroup2 none "$m/sys/fs/cgroup"
mount -t tmpfs tmpfs "$m/run"
mount -t tmpfs tmpfs "$m/tmp"
mount --bind /dev "$m/dev"
mkdir -p "$m/packages"
cp "$work"/packages/*.deb "$m/packages"
cp "$2" "$m/test.sh"
# Nothing of this system is started but what the test starts.
rm -rf "$m"/etc/systemd/system/*.wants "$m"/usr/lib/systemd/system/*.wants "$m"/usr/lib/systemd/system-generators
for target in sysinit basic; do
	printf '[Unit]\nDefaultDependencies=no\n' >"$m/etc/systemd/system/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nWants=package-test.service\n' >"$m/etc/systemd/system/package-test.target"
cat >"$m/etc/systemd/system/package-test.service" <<U
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec=500
StandardOutput=append:/test.log
StandardError=append:/test.log
ExecStart=/bin/bash /test.sh inside
ExecStopPost=/bin/systemctl exit --force --force 0
U
exec chroot "$m" env container=lxc /lib/systemd/systemd --system --unit=package-test.target --log-target=null --show-status=0 </dev/null
B
timeout -k 5 540 unshare -m -p -f --kill-child --uts --ipc --cgroup --net bash "$work/boot.sh" "$work" "$(realpath "$0")" >"$work/boot.log" 2>&1 || true
cat "$work/up/test.log" 2>/dev/null || { echo "test-systemd: SKIPPED: no systemd can be booted in namespaces here:"; cat "$work/boot.log"; exit 0; }
[ -e "$work/up/passed" ]
