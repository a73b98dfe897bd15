#!/usr/bin/env bash
# upgrade-test.sh OUT [FLAGS...]: deploys model v1, and upgrades to v2 under a
# load. DRAIN=off deploys the same server without its drain, which must lose
# requests.
. scripts/lib.sh
out=$1
shift
select_stack
deploy rollproof/server:v1 >&2
mapfile -t flags < <(cluster_flags)
unsafe=false
if [ "${DRAIN:-on}" = off ]; then unsafe=true; fi
exec bin/loadtest upgrade "${flags[@]}" --objectives loadtest/objectives/upgrade.yaml --out "$out" \
	--from-version 1 --to-version 2 "$@" -- \
	pulumi up --yes --skip-preview --stack "$STACK" --config-file "$settings" \
	-c rollproof:image=rollproof/server:v2 -c rollproof:unsafeDisableDrain=$unsafe
