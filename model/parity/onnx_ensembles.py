"""Tree ensembles by hand: every mode, aggregate and transform that ONNX Runtime has,
with missing values, also where no converter writes them."""

import itertools

import numpy as np
from onnx import TensorProto, numpy_helper

import graphs
import rows as edges

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
THRESHOLDS = [-1.5, -0.0, 0.5, 1.0, 1e-45, 2.0, 3.0]


class Forest:
    """Random trees of four columns as the lists of attributes."""

    def __init__(self, seed, trees, modes, missing=False, depth=3, thresholds=THRESHOLDS):
        self.thresholds = thresholds
        self.rng = np.random.default_rng(seed)
        self.nodes, self.leaves, self.splits = [], [], []
        for tree in range(trees):
            self.count = 0
            self._grow(tree, depth, modes, missing)

    def _grow(self, tree, depth, modes, missing):
        at = self.count
        self.count += 1
        if depth == 0 or (depth < 3 and self.rng.random() < 0.2):
            self.nodes.append([tree, at, 0, "LEAF", 0.0, 0, 0, 0])
            self.leaves.append((tree, at))
            return at
        mode = modes[self.rng.integers(len(modes))]
        feature = int(self.rng.integers(4))
        value = float(np.float32(self.thresholds[self.rng.integers(len(self.thresholds))]))
        node = [tree, at, feature, mode, value, 0, 0, int(missing and self.rng.random() < 0.5)]
        self.nodes.append(node)
        self.splits.append((feature, value))
        node[5] = self._grow(tree, depth - 1, modes, missing)
        node[6] = self._grow(tree, depth - 1, modes, missing)
        return at

    def lists(self, doubles=False):
        order = sorted(self.nodes)
        column = lambda i: [node[i] for node in order]  # noqa: E731
        lists = {
            "nodes_treeids": column(0),
            "nodes_nodeids": column(1),
            "nodes_featureids": column(2),
            "nodes_modes": column(3),
            "nodes_truenodeids": column(5),
            "nodes_falsenodeids": column(6),
            "nodes_missing_value_tracks_true": column(7),
        }
        put(lists, "nodes_values", column(4), doubles)
        return lists

    def weights(self, prefix, ids, low=-1.0, high=1.0, every=True, doubles=False):
        """Leaves with a weight for each of ids, or for one of them."""
        rows = []
        for i, (tree, node) in enumerate(sorted(self.leaves)):
            for j in ids if every else [ids[i % len(ids)]]:
                rows.append((tree, node, j, float(np.float32(self.rng.uniform(low, high)))))
        lists = {
            prefix + "_treeids": [r[0] for r in rows],
            prefix + "_nodeids": [r[1] for r in rows],
            prefix + "_ids": [r[2] for r in rows],
        }
        put(lists, prefix + "_weights", [r[3] for r in rows], doubles)
        return lists


def put(lists, name, values, doubles):
    if doubles:
        lists[name + "_as_tensor"] = numpy_helper.from_array(np.asarray(values, np.float64), name)
    else:
        lists[name] = [float(v) for v in values]


def ask(splits, seed=5, datatype=np.float32):
    rng = np.random.default_rng(seed)
    plain = rng.choice(np.array([-2, -1.5, -0.0, 0, 0.5, 1, 2, 3, 4], np.float32), (24, 4))
    parts = [plain, edges.ties(plain, splits, limit=6), edges.extremes(plain), edges.missing(plain, count=8), edges.infinite(plain)]
    return np.concatenate(parts).astype(datatype)


def regressors(m):
    def case(name, about, forest, ids=(0,), targets=1, every=True, **attributes):
        graph = graphs.Graph()
        weights = forest.weights("target", list(ids), every=every)
        graph.ml("TreeEnsembleRegressor", ["X"], "variable", n_targets=targets, **forest.lists(), **weights, **attributes)
        graph.output("variable", TensorProto.FLOAT, [None, targets])
        m.case("ensemble_regressor", name, about, graph, {"X": ask(forest.splits)})

    for i, mode in enumerate(MODES):
        # ONNX Runtime 1.21 turns == 1 to == 31 into sets, and of a forest that has
        # nothing but == it walks them as if they were not: it is wrong there.
        thresholds = [-1.5, -0.0, 0.5, 1e-45, 4.5] if mode == "BRANCH_EQ" else THRESHOLDS
        case("mode" + mode[7:].lower(), "all splits " + mode, Forest(20 + i, 4, [mode], thresholds=thresholds))
        case("mode" + mode[7:].lower() + "missing", mode + ", missing values go to either side", Forest(40 + i, 4, [mode], missing=True, thresholds=thresholds))
    case("modemixed", "all modes in one tree", Forest(60, 6, MODES))
    case("modemixedmissing", "all modes in one tree, missing values go to either side", Forest(61, 6, MODES, missing=True))
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        forest = Forest(70, 5, ["BRANCH_LEQ"], missing=True)
        case("aggregate" + aggregate.lower(), aggregate, forest, aggregate_function=aggregate)
        case("aggregate" + aggregate.lower() + "base", aggregate + " and a base value", forest, aggregate_function=aggregate, base_values=[0.75])
        case("aggregate" + aggregate.lower() + "targets", aggregate + ", three targets, a leaf for one of them", forest, (0, 1, 2), 3, every=False, aggregate_function=aggregate)
        case("aggregate" + aggregate.lower() + "basetargets", aggregate + ", three targets, base values", forest, (0, 1, 2), 3, aggregate_function=aggregate, base_values=[0.5, -0.25, 10.0])
    for transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
        if transform != "PROBIT":
            case("transform" + transform.lower(), transform + ", three targets", Forest(80, 3, ["BRANCH_LT"]), (0, 1, 2), 3, post_transform=transform)
        else:
            forest = Forest(81, 1, ["BRANCH_LT"])
            graph = graphs.Graph()
            graph.ml("TreeEnsembleRegressor", ["X"], "variable", n_targets=1, **forest.lists(), **forest.weights("target", [0], 0.05, 0.95), post_transform=transform)
            graph.output("variable", TensorProto.FLOAT, [None, 1])
            m.case("ensemble_regressor", "transformprobit", transform, graph, {"X": ask(forest.splits)})


def classifiers(m):
    """What ONNX Runtime makes of two classes depends on which of them have weights and
    on the weights' signs: every way with every transform."""

    def case(name, about, forest, ids, classes, low=-1.0, every=True, skip=(), high=1.0, **attributes):
        graph = graphs.Graph()
        strings = isinstance(classes[0], str)
        labels = {"classlabels_strings" if strings else "classlabels_int64s": classes}
        weights = forest.weights("class", list(ids), low=low, high=high, every=every)
        graph.ml("TreeEnsembleClassifier", ["X"], ["label", "scores"], **forest.lists(), **weights, **labels, **attributes)
        graph.output("label", TensorProto.STRING if strings else TensorProto.INT64, [None])
        graph.output("scores", TensorProto.FLOAT, None)
        m.case("ensemble_classifier", name, about, graph, {"X": ask(forest.splits)}, skip=skip)

    transforms = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
    for transform, signs, base in itertools.product(transforms, ("positive", "any"), (None, 1)):
        attributes = {"base_values": [0.25]} if base else {}
        name = "two%s%s%s" % (transform.lower().replace("_", ""), signs, "base" if base else "")
        about = "two classes, weights of one, %s signs, %s%s" % (signs, transform, ", base value" if base else "")
        low, high = (0.0, 0.4) if signs == "positive" else (-1.0, 1.0)
        case(name, about, Forest(90, 3, ["BRANCH_LEQ"]), [0], [3, 5], low, high=high, post_transform=transform, **attributes)
    for transform in transforms:
        short = transform.lower().replace("_", "")
        both = "two classes that both have weights, %s; the label is not compared: ONNX Runtime gives the second if its score is above 0, whatever the first's is" % transform
        case("both" + short, both, Forest(92, 3, ["BRANCH_LEQ"]), [0, 1], [0, 1], skip=("label",), post_transform=transform)
        case("three" + short, "three classes, " + transform, Forest(93, 3, ["BRANCH_LEQ"], missing=True), [0, 1, 2], [0, 1, 2], post_transform=transform)
        case("threebase" + short, "three classes, base values, " + transform, Forest(93, 3, ["BRANCH_LEQ"]), [0, 1, 2], ["x", "", "\u00e9"], post_transform=transform, base_values=[0.1, 0.2, -0.3])
        some = "three classes, a leaf for one of them, one class without any, %s; the label is not compared: ONNX Runtime takes no class that has no weight in a row, even if all others are below 0" % transform
        case("threesome" + short, some, Forest(94, 2, ["BRANCH_LT"]), [0, 2], [10, 20, 30], every=False, skip=("label",), post_transform=transform)
    case("threeties", "three classes, all weights equal: ties", Forest(95, 3, ["BRANCH_LEQ"]), [0, 1, 2], [0, 1, 2], low=0.5, high=0.5, every=False)


def doubles(m):
    for name, ids, targets in (("doubles", (0,), 1), ("doublestargets", (0, 1), 2)):
        forest = Forest(100, 4, MODES, missing=True)
        forest.nodes = [[*n[:4], n[4] + 1e-12 if n[3] != "LEAF" else 0.0, *n[5:]] for n in forest.nodes]
        graph = graphs.Graph()
        lists = {**forest.lists(True), **forest.weights("target", list(ids), doubles=True)}
        put(lists, "base_values", [0.1] * targets, True)
        graph.ml("TreeEnsembleRegressor", ["X"], "variable", n_targets=targets, **lists)
        graph.output("variable", TensorProto.FLOAT, [None, targets])
        rows = ask(forest.splits, datatype=np.float64)
        tied = rows[:12].copy()
        for row, (feature, value) in zip(tied, forest.splits):
            row[feature] = value + 1e-12
        m.case("ensemble_doubles", name, "thresholds, weights and rows of doubles", graph, {"X": np.concatenate([rows, tied])})
    forest = Forest(101, 4, ["BRANCH_LEQ"], missing=True)
    forest.nodes = [[*n[:4], n[4] + 1e-12 if n[3] != "LEAF" else 0.0, *n[5:]] for n in forest.nodes]
    graph = graphs.Graph()
    lists = {**forest.lists(True), **forest.weights("class", [0, 1, 2], doubles=True)}
    graph.ml("TreeEnsembleClassifier", ["X"], ["label", "scores"], **lists, classlabels_int64s=[0, 1, 2], post_transform="SOFTMAX")
    graph.output("label", TensorProto.INT64, [None])
    graph.output("scores", TensorProto.FLOAT, [None, 3])
    m.case("ensemble_doubles", "doublesclassifier", "three classes of doubles", graph, {"X": ask(forest.splits, datatype=np.float64)})
    for datatype in (np.float64, np.int64, np.int32):
        forest = Forest(102, 4, ["BRANCH_LEQ"])
        graph = graphs.Graph()
        graph.ml("TreeEnsembleClassifier", ["X"], ["label", "scores"], **forest.lists(), **forest.weights("class", [0, 1, 2]), classlabels_int64s=[0, 1, 2])
        graph.output("label", TensorProto.INT64, [None])
        graph.output("scores", TensorProto.FLOAT, [None, 3])
        rows = np.random.default_rng(6).integers(-3, 4, (30, 4)).astype(datatype)
        if datatype == np.float64:
            rows = np.concatenate([rows, rows + 1e-9, rows - 1e-9, ask(forest.splits, datatype=np.float64)])
        m.case("ensemble_doubles", "rows" + datatype.__name__, "float thresholds, rows of " + datatype.__name__, graph, {"X": rows})


def five(m):
    """TreeEnsemble of operator set 5: numbers for modes, sets of members, leaves apart."""

    def case(name, about, seed, trees, modes, doubles=False, targets=1, **attributes):
        # Of a forest of nothing but == and sets ONNX Runtime 1.21 is wrong about 1 to 31.
        only = set(modes) <= {4, 6}
        thresholds = [-1.5, -0.0, 0.5, 1e-45, 4.5] if only else THRESHOLDS
        members = [-2, -1.5, 0.25, 0.5, 4.5, 40] if only else [-2, 0, 0.5, 1, 2, 3]
        rng = np.random.default_rng(seed)
        datatype = np.float64 if doubles else np.float32
        nodes, roots, leaves, splits, sets = [], [], [], [], []

        def grow(depth):
            """A subtree: (index, is a leaf)."""
            if depth == 0:
                leaves.append((int(rng.integers(targets)), rng.uniform(-1, 1)))
                return len(leaves) - 1, 1
            at = len(nodes)
            mode = int(modes[rng.integers(len(modes))])
            node = {"feature": int(rng.integers(4)), "mode": mode, "value": float(thresholds[rng.integers(len(thresholds))]), "missing": int(rng.random() < 0.5)}
            nodes.append(node)
            if mode == 6:
                node["set"] = sorted(float(v) for v in rng.choice(members, 3, replace=False))
                node["value"] = 0.0
            else:
                splits.append((node["feature"], node["value"]))
            node["true"] = grow(depth - 1)
            node["false"] = grow(depth - 1)
            return at, 0

        for _ in range(trees):
            roots.append(len(nodes))
            grow(3)
        for node in nodes:
            if "set" in node:
                sets += node["set"] + [np.nan]
        tensor = lambda values, kind, key: numpy_helper.from_array(np.asarray(values, kind), key)  # noqa: E731
        attributes.update(
            n_targets=targets,
            tree_roots=roots,
            nodes_featureids=[n["feature"] for n in nodes],
            nodes_modes=tensor([n["mode"] for n in nodes], np.uint8, "nodes_modes"),
            nodes_splits=tensor([n["value"] for n in nodes], datatype, "nodes_splits"),
            nodes_missing_value_tracks_true=[n["missing"] for n in nodes],
            nodes_truenodeids=[n["true"][0] for n in nodes],
            nodes_trueleafs=[n["true"][1] for n in nodes],
            nodes_falsenodeids=[n["false"][0] for n in nodes],
            nodes_falseleafs=[n["false"][1] for n in nodes],
            leaf_targetids=[leaf[0] for leaf in leaves],
            leaf_weights=tensor([leaf[1] for leaf in leaves], datatype, "leaf_weights"),
        )
        if sets:
            attributes["membership_values"] = tensor(sets, datatype, "membership_values")
        graph = graphs.Graph(opset=21, ml=5)
        graph.ml("TreeEnsemble", ["X"], "variable", **attributes)
        graph.output("variable", TensorProto.DOUBLE if doubles else TensorProto.FLOAT, [None, targets])
        m.case("ensemble_five", name, about, graph, {"X": ask(splits, datatype=datatype)})

    for mode, word in enumerate(["leq", "lt", "gte", "gt", "eq", "neq"]):
        case("five" + word, "operator set 5, mode %d" % mode, 110 + mode, 3, [mode])
    case("fivemember", "operator set 5, sets of members", 120, 3, [6])
    case("fivemixed", "operator set 5, all modes", 121, 6, [0, 1, 2, 3, 4, 5])
    case("fivemembermixed", "operator set 5, sets of members among thresholds", 122, 6, [0, 6])
    case("fivetargets", "operator set 5, three targets, average", 123, 5, [0], targets=3, aggregate_function=0)
    case("fivemin", "operator set 5, three targets, minimum", 124, 5, [0], targets=3, aggregate_function=2)
    case("fivemax", "operator set 5, maximum", 125, 5, [0], aggregate_function=3)
    case("fivedoubles", "operator set 5, doubles", 126, 5, [0, 1, 2, 3, 4, 5], doubles=True)
    case("fivesoftmaxzero", "operator set 5, three targets, SOFTMAX_ZERO", 127, 3, [0], targets=3, post_transform=3)


def make(m):
    regressors(m)
    classifiers(m)
    doubles(m)
    five(m)
