"""Tree ensembles of scikit-learn as ONNX."""

import numpy as np
from onnx import TensorProto
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import graphs
import rows as edges


def at_most(value):
    """The largest float32 that is not above value: for every float32 x, x <= value
    exactly if x <= at_most(value), and scikit-learn casts x to float32."""
    nearest = np.float32(value)
    if np.isfinite(value) and float(nearest) > value:
        nearest = np.nextafter(nearest, np.float32(-np.inf))
    return nearest


class Ensemble:
    """The attributes of TreeEnsembleClassifier or TreeEnsembleRegressor."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.lists = {}
        self.tree = -1
        self.splits = []

    def _put(self, **values):
        for key, value in values.items():
            self.lists.setdefault(key, []).append(value)

    def node(self, node, mode, feature=0, value=0.0, left=0, right=0, missing=0):
        self._put(
            nodes_treeids=self.tree,
            nodes_nodeids=node,
            nodes_featureids=int(feature),
            nodes_modes=mode,
            nodes_values=float(np.float32(value)),
            nodes_truenodeids=int(left),
            nodes_falsenodeids=int(right),
            nodes_missing_value_tracks_true=int(missing),
            nodes_hitrates=1.0,
        )

    def weights(self, node, weights, first=0):
        for i, weight in enumerate(weights):
            self._put(
                **{
                    self.prefix + "_treeids": self.tree,
                    self.prefix + "_nodeids": node,
                    self.prefix + "_ids": first + i,
                    self.prefix + "_weights": float(np.float32(weight)),
                }
            )

    def add(self, tree, factor, first=0, counts=False):
        """One scikit-learn tree. Of two classes only the second has weights."""
        self.tree += 1
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                self.node(node, "LEAF")
                weights = tree.value[node].ravel()
                if counts:
                    weights = weights / weights.sum()
                if self.prefix == "class" and len(weights) == 2:
                    weights = weights[1:]
                self.weights(node, weights * factor, first)
                continue
            value = at_most(tree.threshold[node])
            left_missing = tree.missing_go_to_left[node] if hasattr(tree, "missing_go_to_left") else 0
            self.splits.append((tree.feature[node], value))
            self.node(node, "BRANCH_LEQ", tree.feature[node], value, tree.children_left[node], tree.children_right[node], left_missing)

    def add_histogram(self, predictor, first=0):
        """One tree of histogram gradient boosting."""
        self.tree += 1
        for node, n in enumerate(predictor.nodes):
            if n["is_leaf"]:
                self.node(node, "LEAF")
                self.weights(node, [n["value"]], first)
                continue
            value = at_most(n["num_threshold"])
            self.splits.append((n["feature_idx"], value))
            self.node(node, "BRANCH_LEQ", n["feature_idx"], value, n["left"], n["right"], n["missing_go_to_left"])


def labels_of(classes):
    if isinstance(classes[0], str):
        return {"classlabels_strings": [str(c) for c in classes]}, TensorProto.STRING
    return {"classlabels_int64s": [int(c) for c in classes]}, TensorProto.INT64


def classifier_graph(ensemble, classes, zipmap=False, **attributes):
    graph = graphs.Graph()
    labels, elem = labels_of(classes)
    last = "scores" if zipmap else "probabilities"
    graph.ml("TreeEnsembleClassifier", ["X"], ["label", last], **ensemble.lists, **labels, **attributes)
    graph.output("label", elem, [None])
    if zipmap:
        graph.ml("ZipMap", "scores", "probabilities", **labels)
        graph.sequence_of_maps("probabilities", elem)
    else:
        graph.output("probabilities", TensorProto.FLOAT, [None, len(classes)])
    return graph


def regressor_graph(ensemble, targets=1, **attributes):
    graph = graphs.Graph()
    graph.ml("TreeEnsembleRegressor", ["X"], "variable", n_targets=targets, **ensemble.lists, **attributes)
    graph.output("variable", TensorProto.FLOAT, [None, targets])
    return graph


def of_forest(model):
    trees = [e.tree_ for e in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]
    classes = hasattr(model, "classes_")
    ensemble = Ensemble("class" if classes else "target")
    for tree in trees:
        ensemble.add(tree, 1 / len(trees), counts=classes)
    return ensemble


def of_boosting(model):
    classes = hasattr(model, "classes_")
    ensemble = Ensemble("class" if classes else "target")
    for stage in model.estimators_:
        for c, tree in enumerate(stage):
            ensemble.add(tree.tree_, model.learning_rate, c)
    base = model._raw_predict_init(np.zeros((1, model.n_features_in_))).ravel()
    return ensemble, {"base_values": [float(b) for b in base]}


def of_histograms(model):
    ensemble = Ensemble("class" if hasattr(model, "classes_") else "target")
    for stage in model._predictors:
        for c, tree in enumerate(stage):
            ensemble.add_histogram(tree, c)
    return ensemble, {"base_values": [float(b) for b in np.ravel(model._baseline_prediction)]}


def link(model):
    return "LOGISTIC" if len(model.classes_) == 2 else "SOFTMAX"


class Trees:
    def __init__(self, maker):
        self.maker = maker

    def _rows(self, data, ensemble, takes_missing):
        """The rows to ask, and how many of them scikit-learn takes."""
        plain = data[:: max(1, len(data) // 20)][:20]
        known = [plain, edges.ties(plain, ensemble.splits, limit=8), edges.extremes(plain)[:, :]]
        odd = [edges.missing(plain, count=6), edges.infinite(plain)]
        if takes_missing:
            known.append(odd.pop(0))
        rows = np.concatenate(known + odd).astype(np.float32)
        return rows, sum(map(len, known))

    def classifier(self, family, name, about, model, data, target, takes_missing=False, zipmap=False):
        model.fit(data, target)
        attributes = {}
        if hasattr(model, "_predictors"):
            ensemble, attributes = of_histograms(model)
            attributes["post_transform"] = link(model)
        elif hasattr(model, "learning_rate"):
            ensemble, attributes = of_boosting(model)
            attributes["post_transform"] = link(model)
        else:
            ensemble = of_forest(model)
        rows, known = self._rows(data, ensemble, takes_missing)
        theirs = {"label": model.predict(rows[:known]), "probabilities": model.predict_proba(rows[:known])}
        if theirs["label"].dtype.kind in "iu":
            theirs["label"] = theirs["label"].astype(np.int64)
        graph = classifier_graph(ensemble, model.classes_.tolist(), zipmap, **attributes)
        self.maker.case(family, name, about, graph, {"X": rows}, theirs)

    def regressor(self, family, name, about, model, data, target, takes_missing=False):
        model.fit(data, target)
        attributes, targets = {}, 1 if target.ndim == 1 else target.shape[1]
        if hasattr(model, "_predictors"):
            ensemble, attributes = of_histograms(model)
        elif hasattr(model, "learning_rate"):
            ensemble, attributes = of_boosting(model)
        else:
            ensemble = of_forest(model)
        rows, known = self._rows(data, ensemble, takes_missing)
        theirs = model.predict(rows[:known]).reshape(known, targets)
        self.maker.case(family, name, about, regressor_graph(ensemble, targets, **attributes), {"X": rows}, {"variable": theirs})


def make(maker):
    t = Trees(maker)
    cancer, malignant = load_breast_cancer(return_X_y=True)
    cancer = cancer[:, :10].astype(np.float32)
    wine, kinds = load_wine(return_X_y=True)
    wine = wine.astype(np.float32)
    iris, species = load_iris(return_X_y=True)
    iris = iris.astype(np.float32)
    diabetes, progress = load_diabetes(return_X_y=True)
    diabetes = diabetes.astype(np.float32)
    digits, digit = load_digits(return_X_y=True)
    digits = digits[:600].astype(np.float32)
    digit = digit[:600]
    names = np.array(load_iris().target_names.tolist(), dtype=object)[species]
    several = np.stack([progress, progress**0.5, diabetes[:, 2]], axis=1)
    rng = np.random.default_rng(9)

    def holed(data):
        data = data.copy()
        data[rng.random(data.shape) < 0.15] = np.nan
        return data

    small = {"max_depth": 3, "random_state": 7}
    t.classifier("gradient_boosting", "gbc", "two classes", GradientBoostingClassifier(n_estimators=12, **small), cancer, malignant)
    t.classifier("gradient_boosting", "gbcmulti", "three classes", GradientBoostingClassifier(n_estimators=6, **small), wine, kinds)
    t.classifier("gradient_boosting", "gbcstrings", "three classes with names, behind a ZipMap", GradientBoostingClassifier(n_estimators=4, **small), iris, names, zipmap=True)
    t.classifier("gradient_boosting", "gbclabels", "two classes with the labels -7 and 40", GradientBoostingClassifier(n_estimators=4, **small), cancer, np.where(malignant > 0, 40, -7))
    t.regressor("gradient_boosting", "gbr", "regression", GradientBoostingRegressor(n_estimators=12, **small), diabetes, progress)
    t.regressor("gradient_boosting", "gbrhuber", "regression, Huber loss", GradientBoostingRegressor(n_estimators=6, loss="huber", **small), diabetes, progress)
    t.classifier("hist_gradient_boosting", "hgbc", "two classes, missing values", HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=7, random_state=7), holed(cancer), malignant, takes_missing=True)
    t.classifier("hist_gradient_boosting", "hgbcmulti", "three classes, missing values", HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=7, random_state=7), holed(wine), kinds, takes_missing=True)
    t.regressor("hist_gradient_boosting", "hgbr", "regression, missing values", HistGradientBoostingRegressor(max_iter=10, max_leaf_nodes=9, random_state=7), holed(diabetes), progress, takes_missing=True)
    forest = {"n_estimators": 9, "max_depth": 5, "random_state": 7}
    t.classifier("random_forest", "rfc", "two classes", RandomForestClassifier(**forest), cancer, malignant)
    t.classifier("random_forest", "rfcmulti", "ten classes", RandomForestClassifier(n_estimators=5, max_depth=5, random_state=7), digits, digit)
    t.classifier("random_forest", "rfcmissing", "three classes, missing values", RandomForestClassifier(n_estimators=5, max_depth=4, random_state=7), holed(wine), kinds, takes_missing=True)
    t.classifier("random_forest", "rfcties", "ten trees of one row: votes that tie", RandomForestClassifier(n_estimators=10, max_depth=1, max_samples=4, random_state=1), iris[:100], species[:100])
    t.classifier("random_forest", "rfczipmap", "three classes behind a ZipMap", RandomForestClassifier(n_estimators=5, max_depth=4, random_state=3), iris, species, zipmap=True)
    t.regressor("random_forest", "rfr", "regression", RandomForestRegressor(**forest), diabetes, progress)
    t.regressor("random_forest", "rfrtargets", "three targets", RandomForestRegressor(n_estimators=4, max_depth=4, random_state=7), diabetes, several)
    t.classifier("extra_trees", "etc", "two classes", ExtraTreesClassifier(**forest), cancer, malignant)
    t.classifier("extra_trees", "etcmulti", "three classes with names", ExtraTreesClassifier(n_estimators=6, max_depth=5, random_state=7), iris, names)
    t.regressor("extra_trees", "etr", "regression", ExtraTreesRegressor(n_estimators=6, max_depth=5, random_state=7), diabetes, progress)
    t.classifier("decision_tree", "dtc", "two classes, grown to the end", DecisionTreeClassifier(random_state=7), cancer, malignant)
    t.classifier("decision_tree", "dtcmulti", "three classes", DecisionTreeClassifier(max_depth=4, random_state=7), iris, species)
    t.classifier("decision_tree", "dtcmissing", "two classes, missing values", DecisionTreeClassifier(max_depth=6, random_state=7), holed(cancer), malignant, takes_missing=True)
    t.regressor("decision_tree", "dtr", "regression", DecisionTreeRegressor(max_depth=6, random_state=7), diabetes, progress)
    t.regressor("decision_tree", "dtrleaf", "a tree without a split", DecisionTreeRegressor(max_depth=1, min_samples_leaf=400), diabetes, progress)
    tiny = (rng.integers(-30, 30, size=(200, 3)) * np.float64(1e-44)).astype(np.float32)
    tiny[:, 1] = np.float32(1) + rng.integers(-6, 6, size=200) * np.float32(2**-23)
    tiny[:, 2] = rng.choice(np.array([-3e38, -1e38, -0.0, 0.0, 1e38, 3e38], np.float32), 200)
    t.classifier("decision_tree", "dtctiny", "thresholds among denormals, neighbours of 1 and huge values", ExtraTreesClassifier(n_estimators=4, max_depth=6, random_state=7), tiny, ((tiny[:, 0] > 0) ^ (tiny[:, 1] > 1) ^ (tiny[:, 2] > 0)).astype(int))
