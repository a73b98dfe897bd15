#!/usr/bin/python3
"""Train the models and write them with the libraries' answers: see README.md.

    make.py FAMILY OUT

FAMILY is xgboost or onnx. It runs in the environments of scripts/python.sh;
make.sh beside it runs all of it.
"""

import importlib
import os
import sys
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
warnings.filterwarnings("ignore")


def main(family, out):
    if family == "xgboost":
        import xgboost_models

        xgboost_models.make(out)
    elif family == "onnx":
        import graphs

        # Sorted by what is behind the nodes: one folder, one file of makers each.
        for name in ("trees", "linear", "svm", "ensembles", "pipelines"):
            importlib.import_module("onnx_" + name).make(graphs.Maker(out, "onnx-" + name))
    else:
        raise SystemExit("no family %s: there are xgboost and onnx" % family)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
