#!/usr/bin/env bash
# Builds the gateway's Debian packages: static binaries, packed by nfpm. Needs no root.
# Usage: tools/packages.sh VERSION OUT ARCH...      ARCH: amd64, arm64, armv7
#        tools/packages.sh VERSION                  prints the version of the package only
# VERSION is what git describe says, or a number. Leaves OUT/karkhana-gateway_<version>_<debian arch>.deb and the
# binaries in OUT/<arch>/. NFPM names the packer, default bin/nfpm.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1

# Debian wants a digit first and knows no hyphens here: v1.2.0-3-gabc1234 becomes 1.2.0+3.gabc1234, a bare commit
# becomes 0.0.0+git.<number of commits>.<commit>.
case $version in
[0-9]*.* | v[0-9]*.*) deb_version=${version#v} ;;
*) deb_version=0.0.0-git.$(git rev-list --count HEAD 2>/dev/null || echo 0).$version ;;
esac
deb_version=${deb_version/-rc/~rc} # before the release
deb_version=${deb_version/-/+}
deb_version=${deb_version//-/.}
if [ $# -eq 1 ]; then
	echo "$deb_version"
	exit
fi

out=$2
shift 2
nfpm=${NFPM:-bin/nfpm}
[ -x "$nfpm" ] || { echo "packages: $nfpm is not there: run make bin/nfpm" >&2; exit 1; }

for arch in "$@"; do
	build=$out/$arch
	mkdir -p "$build"
	case $arch in
	amd64) goenv=(GOARCH=amd64) deb_arch=amd64 ;;
	arm64) goenv=(GOARCH=arm64) deb_arch=arm64 ;;
	armv7) goenv=(GOARCH=arm GOARM=7) deb_arch=armhf ;;
	*) echo "packages: unknown arch $arch: amd64, arm64 or armv7" >&2; exit 1 ;;
	esac
	env CGO_ENABLED=0 GOOS=linux "${goenv[@]}" go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$build/karkhana-gateway" ./firmware-gateway
	go run ./firmware-gateway config --packaged >"$build/gateway.yaml"
	deb=$out/karkhana-gateway_${deb_version}_$deb_arch.deb
	ARCH=$deb_arch DEB_VERSION=$deb_version BUILD=$build MAINTAINER="${MAINTAINER:-Karkhana <karkhana@localhost>}" \
		SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0) \
		"$nfpm" package --config firmware-gateway/deb/nfpm.yaml --packager deb --target "$deb" >/dev/null
	printf 'packages: %s (%d kB, binary %d kB)\n' "$deb" $(($(stat -c %s "$deb") / 1000)) $(($(stat -c %s "$build/karkhana-gateway") / 1000))
done
