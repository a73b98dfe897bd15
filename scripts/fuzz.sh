#!/usr/bin/env bash
# fuzz.sh TIME: each fuzz test of the project for that long.
set -euo pipefail
grep -rlE '^func Fuzz' --include='*_test.go' bench infra loadtest model server | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | while read -r _ name; do
		echo "==> $name in $(dirname "$file")"
		go test -C "$(dirname "$file")" -run '^$' -fuzz "^$name\$" -fuzztime "$1" . # infra has modules of its own
	done
done
