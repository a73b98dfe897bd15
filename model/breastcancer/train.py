#!/usr/bin/python3
"""Train the two versions of the breast cancer model and write what is committed.

Needs Debian 12's own python with python3-sklearn (1.2.1) and python3-onnx (1.12.0):

    apt-get install -y python3-sklearn python3-onnx
    /usr/bin/python3 model/breastcancer/train.py           # writes beside this file
    /usr/bin/python3 model/breastcancer/train.py --check   # trains again, compares bytes

Written: v1/model.onnx, v1/card.json, v2/model.onnx, v2/card.json and goldens.json.
Equal inputs give equal bytes: the seeds are fixed, one thread is used, nothing
carries a time, and numpy's AVX-512 kernels (whose exp and log differ in the last
bit from the others') are switched off.

skl2onnx is not in Debian, so the ONNX graph is written here, in the form that
skl2onnx 1.14 gives a GradientBoostingClassifier with zipmap=False: one
ai.onnx.ml TreeEnsembleClassifier, leaf weights times the learning rate, all of
them for class id 0, the prior's log-odds as base value, LOGISTIC.
"""

import argparse
import filecmp
import json
import os
import pathlib
import sys
import tempfile
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["NPY_DISABLE_CPU_FEATURES"] = (
    "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
)
# On a processor without AVX-512 numpy warns that there is nothing to switch off.
warnings.filterwarnings("ignore", message="During parsing environment variable")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import scipy  # noqa: E402
import sklearn  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from sklearn.datasets import load_breast_cancer  # noqa: E402
from sklearn.ensemble import GradientBoostingClassifier  # noqa: E402
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

WANTED = {"scikit-learn": "1.2.1", "onnx": "1.12.0"}
SPLIT = {"test_size": 0.25, "stratify": "label", "random_state": 7}
VERSIONS = {
    "1": {"n_estimators": 100, "learning_rate": 0.05, "max_depth": 3, "random_state": 7},
    "2": {
        "n_estimators": 300,
        "learning_rate": 0.05,
        "max_depth": 3,
        "subsample": 0.5,
        "max_features": 6,
        "random_state": 11,
    },
}
FILES = ["goldens.json"] + [
    f"v{v}/{name}" for v in VERSIONS for name in ("model.onnx", "card.json")
]


def float32_at_most(value):
    """The largest float32 that is not above value.

    scikit-learn compares a float32 x with a float64 threshold. For every float32 x,
    x <= threshold exactly if x <= float32_at_most(threshold), so no row goes
    another way. Rounding to the nearest float32 would move some.
    """
    nearest = np.float32(value)
    if float(nearest) > value:
        nearest = np.nextafter(nearest, np.float32(-np.inf))
    return float(nearest)


def ensemble_attributes(classifier, labels):
    """The attributes of TreeEnsembleClassifier for a binary classifier."""
    nodes = {
        name: []
        for name in (
            "nodes_treeids nodes_nodeids nodes_featureids nodes_modes nodes_values "
            "nodes_truenodeids nodes_falsenodeids nodes_hitrates "
            "nodes_missing_value_tracks_true class_treeids class_nodeids class_ids "
            "class_weights"
        ).split()
    }
    for tree_id, (regressor,) in enumerate(classifier.estimators_):
        tree = regressor.tree_
        for node_id in range(tree.node_count):
            leaf = tree.children_left[node_id] < 0
            nodes["nodes_treeids"].append(tree_id)
            nodes["nodes_nodeids"].append(node_id)
            nodes["nodes_featureids"].append(0 if leaf else int(tree.feature[node_id]))
            nodes["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            nodes["nodes_values"].append(
                0.0 if leaf else float32_at_most(float(tree.threshold[node_id]))
            )
            nodes["nodes_truenodeids"].append(0 if leaf else int(tree.children_left[node_id]))
            nodes["nodes_falsenodeids"].append(0 if leaf else int(tree.children_right[node_id]))
            nodes["nodes_hitrates"].append(1.0)
            nodes["nodes_missing_value_tracks_true"].append(0)
            if leaf:
                weight = classifier.learning_rate * float(tree.value[node_id][0][0])
                nodes["class_treeids"].append(tree_id)
                nodes["class_nodeids"].append(node_id)
                nodes["class_ids"].append(0)
                nodes["class_weights"].append(float(np.float32(weight)))
    prior = float(classifier.init_.class_prior_[1])
    nodes["base_values"] = [float(np.float32(np.log(prior / (1 - prior))))]
    nodes["classlabels_int64s"] = [int(label) for label in labels]
    nodes["post_transform"] = "LOGISTIC"
    return nodes


def onnx_bytes(classifier, version):
    """The model as ONNX: X float[N,30] -> label int64[N], probabilities float[N,2]."""
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["X"],
        ["label", "probabilities"],
        name="TreeEnsembleClassifier",
        domain="ai.onnx.ml",
        **ensemble_attributes(classifier, classifier.classes_),
    )
    graph = helper.make_graph(
        [node],
        "breastcancer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, classifier.n_features_in_])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="rollproof",
        producer_version="train.py",
        model_version=int(version),
        ir_version=8,
        opset_imports=[helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 15)],
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def card(classifier, version, data, rows, labels, train, test):
    """What a reader must know of one version, as JSON."""
    probability = classifier.predict_proba(rows[test])[:, 1]
    trees = [regressor.tree_ for (regressor,) in classifier.estimators_]
    return {
        "model": "breastcancer",
        "version": version,
        "data": {
            "name": "Breast cancer Wisconsin (diagnostic), sklearn.datasets.load_breast_cancer",
            "rows": len(rows),
            "columns": list(map(str, data.feature_names)),
            "labels": {str(i): str(name) for i, name in enumerate(data.target_names)},
        },
        "split": dict(SPLIT, train_rows=len(train), test_rows=len(test)),
        "estimator": {"class": type(classifier).__name__, "parameters": VERSIONS[version]},
        "trees": len(trees),
        "nodes": int(sum(tree.node_count for tree in trees)),
        "test": {
            "accuracy": round(accuracy_score(labels[test], probability > 0.5), 6),
            "auc": round(roc_auc_score(labels[test], probability), 6),
            "log_loss": round(log_loss(labels[test], probability), 6),
        },
        "versions": {
            "python": ".".join(map(str, sys.version_info[:2])),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "onnx": onnx.__version__,
        },
        "seed": VERSIONS[version]["random_state"],
    }


def lines(items):
    """Items of already formatted JSON as an array with one item a line."""
    return "[\n" + ",\n".join(items) + "\n]"


def goldens(rows, classifiers):
    """goldens.json: the rows, and what scikit-learn itself answers in float64.

    Row values are the shortest decimals that read back as the same float32.
    Probabilities keep 12 decimals: far below the 1e-6 that is asked of a reader,
    and above what two builds of the C library's exp could differ by.
    """
    expected = []
    for version, classifier in classifiers.items():
        pairs = classifier.predict_proba(rows)
        expected.append(
            '"%s":{"label":%s,"probabilities":%s}'
            % (
                version,
                json.dumps([int(label) for label in classifier.predict(rows)], separators=(",", ":")),
                lines("[%s]" % ",".join(repr(round(float(p), 12)) for p in pair) for pair in pairs),
            )
        )
    head = {
        "model": "breastcancer",
        "input": {"name": "X", "datatype": "FP32", "columns": rows.shape[1]},
        "outputs": {"label": "label", "probabilities": "probabilities"},
    }
    return "%s,\n\"rows\":%s,\n\"expected\":{\n%s\n}}\n" % (
        json.dumps(head, separators=(",", ":"))[:-1],
        lines("[%s]" % ",".join(str(value) for value in row) for row in rows),
        ",\n".join(expected),
    )


def write_all(folder):
    """Train both versions and write every file under folder."""
    data = load_breast_cancer()
    rows, labels = data.data.astype(np.float32), data.target
    train, test = train_test_split(
        np.arange(len(rows)),
        test_size=SPLIT["test_size"],
        stratify=labels,
        random_state=SPLIT["random_state"],
    )
    classifiers = {}
    for version, parameters in VERSIONS.items():
        classifier = GradientBoostingClassifier(**parameters).fit(rows[train], labels[train])
        classifiers[version] = classifier
        place = folder / f"v{version}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.onnx").write_bytes(onnx_bytes(classifier, version))
        text = json.dumps(card(classifier, version, data, rows, labels, train, test), indent=2)
        (place / "card.json").write_text(text + "\n")
    (folder / "goldens.json").write_text(goldens(rows, classifiers))


def check(committed):
    """Train into a temporary folder; the exit code says whether every byte is the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_all(folder)
        _, different, missing = filecmp.cmpfiles(committed, folder, FILES, shallow=False)
    for name in different:
        print(f"{name}: differs from what training gives now", file=sys.stderr)
    for name in missing:
        print(f"{name}: cannot be compared (missing?)", file=sys.stderr)
    if different or missing:
        return 1
    print(f"{len(FILES)} files are byte for byte what training gives")
    return 0


def main():
    parser = argparse.ArgumentParser(
        description="Train breastcancer v1 and v2; write their ONNX, cards and goldens."
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    found = {"scikit-learn": sklearn.__version__, "onnx": onnx.__version__}
    if found != WANTED:
        print(f"train.py: wants {WANTED}, found {found}: the bytes would differ", file=sys.stderr)
        return 2
    here = pathlib.Path(__file__).resolve().parent
    if arguments.check:
        return check(here)
    write_all(here)
    return 0


if __name__ == "__main__":
    sys.exit(main())
