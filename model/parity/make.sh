#!/usr/bin/env bash
# Writes testdata anew with the real libraries (about two minutes).
set -euo pipefail
cd "$(dirname "$0")/../.."
export OUT=model/parity/testdata
rm -rf "$OUT"
mkdir -p "$OUT"
scripts/python.sh bookworm python3 model/parity/make.py xgboost /out
scripts/python.sh trixie python3 model/parity/make.py xgboost /out
# Debian's onnx and onnxruntime share a library, which says of each of a hundred
# operators that it has been registered already.
scripts/python.sh trixie python3 model/parity/make.py onnx /out | { grep -v -e '^Schema error' -e '^$' || true; }
