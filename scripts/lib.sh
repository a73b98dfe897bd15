# What the scripts share. Source it from the checkout's root.
set -euo pipefail

STACK=${STACK:-kind}
env_lines=$(go run ./scripts env)
eval "$env_lines"

# The settings of a run: the stack's file with what the run adds. Pulumi writes
# the values of -c into the file that it reads, and that must not be the one
# that git holds.
settings=.rollproof/Pulumi.$STACK.yaml

select_stack() {
	mkdir -p .rollproof
	free_stale_locks
	pulumi stack select --create "$STACK" >/dev/null
	cp "Pulumi.$STACK.yaml" "$settings"
}

# free_stale_locks removes the locks of Pulumi runs that were killed: those
# whose process, on this machine, is no more. A live run's lock stays.
free_stale_locks() {
	local lock pid
	for lock in .pulumi/locks/organization/rollproof/"$STACK"/*.json; do
		[ -e "$lock" ] || continue
		grep -q "\"hostname\":\"$(hostname)\"" "$lock" || continue
		pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$lock")
		if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
			echo "an earlier run was killed (process $pid): its lock on stack $STACK is removed" >&2
			rm -f "$lock"
		fi
	done
}

# deploy IMAGE [-c KEY=VALUE...] brings the stack up with an image of the server.
deploy() {
	local unsafe=false
	if [ "${DRAIN:-on}" = off ]; then unsafe=true; fi
	pulumi up --yes --skip-preview --stack "$STACK" --config-file "$settings" \
		-c rollproof:image="$1" -c rollproof:unsafeDisableDrain=$unsafe "${@:2}"
}

# deployed says whether the stack has a service.
deployed() {
	[ -n "$(pulumi stack output --stack "$STACK" url 2>/dev/null)" ]
}

output() { pulumi stack output --stack "$STACK" "$@"; }

# cluster_flags are the harness's flags for the stack's cluster. The
# kubeconfig is a secret: the file is this user's only.
cluster_flags() {
	local kubeconfig=.rollproof/kubeconfig
	(umask 077; output --show-secrets kubeconfig >"$kubeconfig")
	printf '%s\n' --url "$(output url)" --kubeconfig "$kubeconfig" --context "$(output context)" \
		--namespace "$(output namespace)" --deployment "$(output deployment)" \
		--cases model/breastcancer/goldens.json
}
