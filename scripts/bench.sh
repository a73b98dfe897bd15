#!/usr/bin/env bash
# bench.sh COMMAND [FLAGS...] puts in place what the server is measured with, and runs
# bin/bench COMMAND (run or profile) on the core of the client. Installed are, where they
# are missing, wrk and debootstrap from Debian; the Python peers are in environments of
# scripts/python.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "$*" >&2; }

# install_missing installs what is missing of Debian's packages.
install_missing() {
	local missing=() sudo=()
	[ -x /usr/bin/wrk ] || missing+=(wrk)
	[ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
	[ -x /usr/bin/taskset ] || missing+=(util-linux)
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		sudo=(sudo -n)
		sudo -n true 2>/dev/null || {
			say "bench.sh: ${missing[*]}: to be installed from Debian, which needs root, and sudo does not work without a password: run as root, or once \`sudo -v\`, and try again"
			exit 2
		}
	fi
	say "==> install ${missing[*]} from Debian"
	"${sudo[@]}" apt-get update -q >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# build OUT PACKAGE [FLAGS...] builds as the server's image is built.
build() {
	local out=$1 package=$2
	shift 2
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' "$@" -o "$out" "$package"
}

command=${1:?run or profile}
shift
build bin/bench ./bench
cores=$(bin/bench cores)
read -r server client <<<"$cores"
install_missing
say "==> build the server"
flags=()
case $command in
run)
	build bin/server ./server
	if [ -e server/default.pgo ]; then
		build bin/server-plain ./server -pgo=off
		flags+=(--plain bin/server-plain)
	fi
	(cd model/tree/bench/leaves && go test -c -o ../../../../bin/leaves.test .)
	flags+=(--server bin/server --leaves bin/leaves.test)
	;;
profile)
	build bin/server-profile ./server -tags profile -pgo=off
	flags+=(--server bin/server-profile)
	;;
esac
scripts/python.sh setup
exec taskset -c "$client" bin/bench "$command" --server-core "$server" --client-core "$client" "${flags[@]}" "$@"
