#!/usr/bin/env bash
# Destroys all of the stack; a stack that does not exist is destroyed already.
. scripts/lib.sh
if ! pulumi stack select "$STACK" 2>/dev/null; then
	echo "there is no stack $STACK here"
	exit 0
fi
select_stack
# What an interrupted run left pending is cleared by the refresh: the providers
# see what is really there.
pulumi destroy --yes --skip-preview --refresh --stack "$STACK" --config-file "$settings"
