#!/usr/bin/env bash
# Deploys the stack as its settings file says.
. scripts/lib.sh
select_stack
pulumi up --yes --skip-preview --stack "$STACK" --config-file "$settings"
echo "the model answers at $(output url); for example: curl $(output url)/v2/models/breastcancer"
