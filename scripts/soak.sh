#!/usr/bin/env bash
# soak.sh OUT [FLAGS...]: upgrades to and fro between model v1 and v2, one after
# the other, under a bounded load: ROLLOUTS of them (20). Nothing may be lost in any,
# and 50,000 requests a rollout must have been answered. FLAGS go to the harness.
. scripts/lib.sh
out=$1
shift
rollouts=${ROLLOUTS:-20}
case $rollouts in '' | *[!0-9]* | 0) echo "soak: ROLLOUTS=$rollouts: want a number from 1" >&2; exit 3 ;; esac
wanted=$((rollouts * 50000))

select_stack
# The autoscaler would act on this load in some rollouts and not in others.
deploy rollproof/server:v1 -c rollproof:minReplicas=3 -c rollproof:maxReplicas=3 >&2
mapfile -t flags < <(cluster_flags)
mkdir -p "$out"
table=$out/soak.md
printf '| rollout | versions | verdict | requests | lost | masked | seconds down | took |\n| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |\n' | tee "$table" >&2

# Ctrl-C ends the rollout under way, which is judged, and then the soak.
stopped=
trap 'stopped=1' INT TERM
requests=0 lost=0 masked=0 down=0 verdict=PASS
from=1 to=2
done=0
for ((n = 1; n <= rollouts; n++)); do
	began=$SECONDS code=0
	line=$(bin/loadtest upgrade "${flags[@]}" --objectives loadtest/objectives/soak.yaml --out "$out/$(printf %02d "$n")" \
		--from-version $from --to-version $to --step-rate 0 \
		--new-rate 200 --reused-rate 300 --hot-hold 60ms --steady 20s "$@" -- \
		pulumi up --yes --skip-preview --stack "$STACK" --config-file "$settings" \
		-c rollproof:image=rollproof/server:v$to) || code=$?
	# PASS requests=48210 lost=0 masked=0 seconds_down=0 report=...
	if ! [[ $line =~ ^([A-Z]+)\ requests=([0-9]+)\ lost=([0-9]+)\ masked=([0-9]+)\ seconds_down=([0-9.e+-]+)\  ]]; then
		echo "soak: rollout $n could not run (exit code $code)" >&2
		exit 3
	fi
	printf '| %d | v%s to v%s | %s | %d | %d | %d | %s | %d s |\n' "$n" $from $to "${BASH_REMATCH[@]:1:5}" $((SECONDS - began)) | tee -a "$table" >&2
	requests=$((requests + BASH_REMATCH[2])) lost=$((lost + BASH_REMATCH[3])) masked=$((masked + BASH_REMATCH[4]))
	down=$(awk -v a="$down" -v b="${BASH_REMATCH[5]}" 'BEGIN { print a + b }')
	case $verdict-${BASH_REMATCH[1]} in
	FAIL-* | *-PASS) ;; # the worst stays
	*) verdict=${BASH_REMATCH[1]} ;;
	esac
	done=$n
	if [ -n "$stopped" ]; then break; fi
	read -r from to <<<"$to $from"
done
if [ $verdict = PASS ] && [ $requests -lt $wanted ]; then
	echo "$requests requests were answered; $wanted are wanted: pass higher rates or a longer --steady" >&2
	verdict=INCONCLUSIVE
fi
if [ $lost = 0 ]; then
	awk -v n=$requests 'BEGIN { printf "with 95 %% certainty fewer than one request in %d is lost\n", 1 / (1 - exp(log(0.05) / n)) }' >&2
fi
echo "$verdict rollouts=$done requests=$requests lost=$lost masked=$masked seconds_down=$down report=$out" | tee -a "$table"
case $verdict in PASS) exit 0 ;; FAIL) exit 1 ;; *) exit 2 ;; esac
