#!/usr/bin/env bash
# python.sh runs a command in one of the two Python environments that the models
# are held against and that the benchmarks compare with:
#
#   scripts/python.sh bookworm COMMAND...   Debian 12's scikit-learn 1.2, XGBoost 1.7, ONNX, Flask, gunicorn
#   scripts/python.sh trixie COMMAND...     Debian 13's scikit-learn 1.4, XGBoost 3.0, ONNX Runtime, FastAPI
#   scripts/python.sh setup                 make what is missing of both
#   scripts/python.sh root NAME             print where an environment's root is ("/": this machine itself)
#
# COMMAND runs in the checkout, which it sees as /project and cannot write to. What
# it is to leave goes to /out, which is the folder $OUT of this machine. It has this
# machine's network, so that a server in it answers on this machine's loopback, and
# it takes python.sh's place as a process, so that a signal to python.sh reaches it.
# It counts on one thread unless OMP_NUM_THREADS says otherwise.
#
# On a machine that is Debian 12 and has the packages, bookworm is the machine
# itself. Otherwise an environment is a root of Debian packages in the project's
# cache, made once (about three minutes) and entered by chroot in a mount namespace
# of its own: that needs root or sudo, and no Docker.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${ROLLPROOF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollproof}

bookworm_packages=(python3-sklearn python3-xgboost python3-onnx python3-flask gunicorn)
trixie_packages=(python3-sklearn python3-xgboost python3-onnx python3-onnxruntime
	python3-fastapi python3-uvicorn python3-uvloop python3-httptools python3-orjson)

say() { echo "$*" >&2; }
die() {
	say "python.sh: $*"
	exit 2
}

# as_root COMMAND...: as it is for root, by sudo for others.
# With exec before it, the command takes this shell's place.
as_root() {
	local exec=
	if [ "$1" = exec ]; then
		exec=exec
		shift
	fi
	if [ "$(id -u)" = 0 ]; then
		$exec "$@"
	elif sudo -n true 2>/dev/null; then
		$exec sudo -n "$@"
	else
		die "needs root, and sudo does not work without a password: run as root, or once \`sudo -v\`, and try again"
	fi
}

packages() {
	case $1 in
	bookworm) printf '%s\n' "${bookworm_packages[@]}" ;;
	trixie) printf '%s\n' "${trixie_packages[@]}" ;;
	*) die "no environment $1: there are bookworm and trixie" ;;
	esac
}

# mirror is where apt gets Debian from on this machine, or empty for debootstrap's own
# default.
mirror() {
	if command -v apt-get >/dev/null; then
		apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' |
			awk '$2 == "Debian" && $3 == "main" && $1 !~ /security/ {print $1; exit}'
	fi
}

# is_host NAME says whether the machine is that release and has its packages.
is_host() {
	[ "$1" = bookworm ] && grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release &&
		dpkg-query -W -f '${db:Status-Abbrev}\n' "${bookworm_packages[@]}" 2>/dev/null | { ! grep -qv '^ii'; }
}

# place NAME is the folder that an environment has in the cache, named by what
# it is made from.
place() {
	local key
	key=$( (echo "$1" && packages "$1" && declare -f fill) | sha256sum | cut -c1-12)
	echo "$cache/made/python-$1-$key"
}

# fill NAME TREE makes a root of Debian packages.
fill() {
	local name=$1 tree=$2 from proxy
	from=$(mirror)
	as_root debootstrap --variant=minbase "$name" "$tree" ${from:+"$from"}
	# What apt needs on this machine, it needs in there.
	proxy=$(apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy ' || true)
	echo "$proxy" | as_root tee "$tree/etc/apt/apt.conf.d/90proxy" >/dev/null
	as_root cp --dereference /etc/resolv.conf /etc/hosts "$tree/etc/"
	# No documents, and no daemon is started.
	printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' |
		as_root tee "$tree/etc/dpkg/dpkg.cfg.d/90small" >/dev/null
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$tree/usr/sbin/policy-rc.d" >/dev/null
	as_root chmod 755 "$tree/usr/sbin/policy-rc.d"
	as_root mkdir "$tree/project" "$tree/out"
	# shellcheck disable=SC2046 # a package a word
	as_root unshare --mount sh -euc '
		tree=$1; shift
		mount --rbind /proc "$tree/proc"
		exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
			sh -euc "apt-get update -q; apt-get install -q -y --no-install-recommends \"\$@\"; apt-get clean; rm -rf /var/lib/apt/lists/*" sh "$@"
	' sh "$tree" $(packages "$name")
}

# make_root NAME makes an environment's root if it is not there.
make_root() {
	local name=$1 dir tmp log
	dir=$(place "$name")
	[ -d "$dir" ] && return
	mkdir -p "$cache"/{locks,tmp,made,logs}
	exec 9>"$cache/locks/python-$name"
	flock 9
	[ -d "$dir" ] && return # made while we waited
	command -v debootstrap >/dev/null || {
		say "==> install debootstrap from Debian"
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap >&2
	}
	log=$cache/logs/python-$name.log
	tmp=$(mktemp -d "$cache/tmp/python-$name-XXXXXX")
	chmod 755 "$tmp"
	say "==> make a root of Debian $name with Python's packages (about 3 minutes; log: $log)"
	local start=$SECONDS
	# A process of its own: bash heeds no -e in the condition of an if.
	if ! scripts/python.sh fill "$name" "$tmp" >"$log" 2>&1 </dev/null 9>&-; then
		tail -n 20 "$log" >&2
		as_root rm -rf --one-file-system "$tmp"
		die "the root of Debian $name could not be made: the whole log is $log"
	fi
	mv "$tmp" "$dir" 2>/dev/null || as_root mv "$tmp" "$dir"
	exec 9>&-
	say "    done in $((SECONDS - start))s: $dir"
}

# root NAME prints where an environment is, and makes it first.
root() {
	packages "$1" >/dev/null
	if is_host "$1"; then
		echo /
	else
		make_root "$1"
		place "$1"
	fi
}

# run NAME COMMAND... becomes the command: signals reach it as they would without.
run() {
	local tree
	tree=$(root "$1")
	shift
	[ $# -gt 0 ] || die "no command to run"
	mkdir -p "$cache/mnt"
	if [ -n "${OUT:-}" ]; then mkdir -p "$OUT"; fi
	# The mounts are in a namespace of the command's own and end with it, however
	# it ends. The machine's own Python gets a root of the machine's folders.
	as_root exec unshare --mount bash -euc '
		tree=$1 mnt=$2 project=$3 out=$4 threads=$5; shift 5
		if [ "$tree" = / ]; then
			mount -t tmpfs -o mode=755 tmpfs "$mnt"
			for dir in bin etc lib lib64 opt run sbin usr var; do
				if [ -L "/$dir" ]; then cp -P "/$dir" "$mnt/$dir"
				elif [ -d "/$dir" ]; then mkdir "$mnt/$dir"; mount --rbind "/$dir" "$mnt/$dir"; fi
			done
			mkdir "$mnt/proc" "$mnt/dev" "$mnt/sys" "$mnt/tmp" "$mnt/project" "$mnt/out"
		else
			mount --bind "$tree" "$mnt"
		fi
		for dir in proc dev sys; do mount --rbind "/$dir" "$mnt/$dir"; done
		mount -t tmpfs -o mode=1777 tmpfs "$mnt/tmp"
		mount --bind "$project" "$mnt/project"
		mount -o remount,bind,ro "$mnt/project"
		if [ -n "$out" ]; then mount --bind "$out" "$mnt/out"; fi
		exec chroot "$mnt" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
			PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS="$threads" \
			sh -euc "cd /project; exec \"\$@\"" sh "$@"
	' bash "$tree" "$cache/mnt" "$PWD" "${OUT:+$(realpath "$OUT")}" "${OMP_NUM_THREADS:-1}" "$@"
}

case ${1:-} in
bookworm | trixie) run "$@" ;;
root) root "${2:?which environment: bookworm or trixie}" ;;
fill) fill "${@:2}" ;; # of make_root
setup)
	for name in bookworm trixie; do say "$name: $(root "$name")"; done
	;;
*)
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
	exit 2
	;;
esac
