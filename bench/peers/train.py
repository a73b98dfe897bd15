#!/usr/bin/python3
"""Train the ensembles that every server is measured with, and write them.

    train.py OUT

Runs in scripts/python.sh's environment "bookworm", whose scikit-learn serves them.
Written under OUT, for gbc and rf (gradient boosting and a random forest of 100 trees,
scikit-learn's defaults, on its breast cancer data): NAME.pickle for scikit-learn itself,
models/NAME/1/model.onnx for the others (written as model/parity writes it, since
skl2onnx is not in Debian), and rows.json: rows with the probabilities that scikit-learn
gives them.
"""

import json
import os
import pathlib
import pickle
import sys

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "model" / "parity"))

import numpy as np  # noqa: E402
from sklearn.datasets import load_breast_cancer  # noqa: E402
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier  # noqa: E402

import onnx_trees  # noqa: E402


def graph(model):
    """The model as an ONNX graph with the outputs label and probabilities."""
    if isinstance(model, GradientBoostingClassifier):
        ensemble, attributes = onnx_trees.of_boosting(model)
        attributes["post_transform"] = onnx_trees.link(model)
    else:
        ensemble, attributes = onnx_trees.of_forest(model), {}
    return onnx_trees.classifier_graph(ensemble, model.classes_.tolist(), **attributes)


def main(out):
    out = pathlib.Path(out)
    rows, labels = load_breast_cancer(return_X_y=True)
    rows = rows.astype(np.float32)
    models = {
        "gbc": GradientBoostingClassifier(n_estimators=100, random_state=7),
        "rf": RandomForestClassifier(n_estimators=100, random_state=7),
    }
    answers = {}
    for name, model in models.items():
        model.fit(rows, labels)
        answers[name] = model.predict_proba(rows).tolist()
        (out / (name + ".pickle")).write_bytes(pickle.dumps(model))
        place = out / "models" / name / "1"
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.onnx").write_bytes(graph(model).bytes({"X": rows[:1]}))
    # str gives the shortest decimal that reads back as the same float32.
    short = [[float(str(value)) for value in row] for row in rows]
    (out / "rows.json").write_text(json.dumps({"rows": short, "probabilities": answers}))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
