#!/usr/bin/env bash
# loadtest.sh OUT [FLAGS...]: a steady load on what is deployed.
. scripts/lib.sh
out=$1
shift
select_stack
if ! deployed; then
	go run ./scripts setup
	pulumi up --yes --skip-preview --stack "$STACK" --config-file "$settings" >&2
fi
mapfile -t flags < <(cluster_flags)
exec bin/loadtest load "${flags[@]}" --objectives loadtest/objectives/load.yaml --out "$out" "$@"
