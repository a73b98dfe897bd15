#!/usr/bin/env bash
# numbers.sh measures what docs/numbers.md holds and prints it as a table:
# how long `make upgrade-test` takes from a warm cache without a cluster and
# with one, what three runs in a row come to, and how long a cluster takes.
# COLD=1 begins from an empty cache: Go's, the project's and Docker's images of
# the project (Docker itself is installed only where it is missing).
set -euo pipefail
out=out/numbers-$(date +%Y%m%d-%H%M%S)
mkdir -p "$out"

rows=()
row() { rows+=("| $1 | $2 | $3 |"); echo "    $1: $2 (asked: $3)" >&2; }

# timed FILE ARGS...: make upgrade-test into FILE; sets seconds and verdict.
timed() {
	local log=$1 start=$SECONDS
	shift
	echo "==> $* make upgrade-test (log: $log)" >&2
	env "$@" make upgrade-test >"$log" 2>&1 || true
	seconds=$((SECONDS - start))
	verdict=$(grep -E '^(PASS|FAIL|INCONCLUSIVE) requests=' "$log" | tail -n 1 || true)
	verdict=${verdict:-could not run}
}

minutes() { printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); }

# cluster_time FILE: what Pulumi says the cluster took, from a deploy's log.
cluster_time() { sed -n 's/.*kind:index:Cluster kind created (\([0-9.]*s\)).*/\1/p' "$1" | tail -n 1; }

# The slowest lane that runs throughout, in requests a second.
slowest_lane() { awk '$1 == "new" || $1 == "reused" || $1 == "hot" {print $3}' "$1" | sort -n | head -n 1; }

if [ "${COLD:-0}" = 1 ]; then
	make down
	docker images -q 'rollproof/*' 2>/dev/null | sort -u | xargs -r docker rmi -f >/dev/null || true
	cold=$(mktemp -d "${TMPDIR:-/tmp}/rollproof-cold.XXXXXX")
	trap 'chmod -R u+w "$cold" && rm -rf "$cold"' EXIT
	timed "$out/cold.log" ROLLPROOF_CACHE="$cold/cache" GOCACHE="$cold/gocache" GOMODCACHE="$cold/gomod"
	row "from an empty cache" "$(minutes $seconds), ${verdict%% *}" "45m or less"
fi

make down >"$out/down.log" 2>&1
timed "$out/warm.log"
row "cache warm, no cluster" "$(minutes $seconds), ${verdict%% *}" "6m or less"
row "cluster of three nodes ready" "$(cluster_time "$out/warm.log")" "40s or less"
for i in 1 2 3; do
	timed "$out/run-$i.log"
	row "run $i with the cluster up" "$(minutes $seconds), $(cut -d' ' -f1-4 <<<"$verdict")" "3m30s or less; PASS, 20,000 requests, lost=0"
	row "run $i, slowest lane" "$(slowest_lane "$out/run-$i.log") requests/s" "200 or more"
done
timed "$out/drain-off.log" DRAIN=off
row "without the drain" "$(cut -d' ' -f1-4 <<<"$verdict")" "FAIL"

{
	printf '| what | measured | asked |\n| --- | --- | --- |\n'
	printf '%s\n' "${rows[@]}"
} | tee "$out/numbers.md"
echo "written to $out/numbers.md" >&2
