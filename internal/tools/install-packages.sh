#!/bin/sh
# Installs Debian packages when one of the programs they bring is missing, and
# starts no services.
#
#   install-packages.sh "PROGRAM…" "PACKAGE…"
set -eu
programs=$1
packages=$2

missing=
for p in $programs; do
	command -v "$p" >/dev/null || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
fi
if ! command -v apt-get >/dev/null || ! command -v ${as_root:-true} >/dev/null; then
	echo "the tests need$missing, and installing it takes apt-get and root or sudo:" >&2
	echo "install by hand what Debian has as: $packages" >&2
	exit 1
fi

# While this file says so, packages start no services.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$as_root rm -f $policy' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
	$as_root chmod +x $policy
fi

echo "installing $packages (for$missing)"
log=$(mktemp)
# shellcheck disable=SC2086 # packages are words
if ! {
	$as_root apt-get update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
} </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	rm -f "$log"
	echo "could not install $packages" >&2
	exit 1
fi
rm -f "$log"
