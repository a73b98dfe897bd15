#!/usr/bin/env bash
# debian.sh PROGRAM...: installs from Debian what is not on the PATH; each program's
# package is called as it is.
set -euo pipefail
missing=()
for program in "$@"; do
	command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} = 0 ]; then exit 0; fi
sudo=
if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
echo "==> install ${missing[*]} from Debian" >&2
$sudo apt-get update -q
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
