#!/usr/bin/env bash
# Trains the shipped model again with Debian's own Python and compares every
# artifact byte for byte.
set -euo pipefail
python=/usr/bin/python3
if ! $python -c 'import sklearn, onnx' 2>/dev/null; then
	sudo=
	if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
	$sudo apt-get update -q
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-sklearn python3-onnx
fi
exec $python model/breastcancer/train.py --check
