"""XGBoost: every booster and objective, in both of its model files.

Outputs: "predict" is Booster.predict, "margin" the same with output_margin. Of a
classifier "probabilities" has a column a class and "label" is the class that
XGBoost's own wrapper gives: p > 0.5 of two classes, else the largest.
"""

import json
import pathlib
import tempfile
import warnings

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_classification

import golden
import rows as edges

VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
FOLDER = "xgboost-%d.%d" % VERSION
COMMON = {"nthread": 1, "seed": 7, "max_depth": 3, "eta": 0.4, "tree_method": "hist", "verbosity": 0}


def diabetes():
    data = load_diabetes()
    return data.data.astype(np.float32), data.target.astype(np.float32)


def positive():
    rows, target = diabetes()
    return rows, target / 100 + 0.1


def iris():
    data = load_iris()
    return data.data.astype(np.float32), data.target.astype(np.float32)


def wine():
    data = load_wine()
    return data.data.astype(np.float32), data.target.astype(np.float32)


def cancer():
    data = load_breast_cancer()
    return data.data[:, :8].astype(np.float32), data.target.astype(np.float32)


def holes(source):
    """The rows of a source with a fifth of the values missing."""
    rows, target = source()
    rng = np.random.default_rng(5)
    rows = rows.copy()
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows, target


def splits(model):
    """(column, threshold) of all splits of a parsed model file."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "split_conditions" in value:
                for left, column, threshold in zip(
                    value["left_children"], value["split_indices"], value["split_conditions"]
                ):
                    if left >= 0:
                        found.append((column, threshold))
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    walk(model["learner"]["gradient_booster"])
    return found


def save(booster):
    """The two model files."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".json", ".ubj"):
            path = pathlib.Path(folder) / ("model" + suffix)
            booster.save_model(path)
            files[suffix] = path.read_bytes()
    return files


def answers(booster, rows, objective, **matrix):
    """What the library says of rows, by the names of the outputs."""
    data = xgb.DMatrix(rows, missing=np.nan, nthread=1, **matrix)
    predict = booster.predict(data)
    outputs = {"predict": predict, "margin": booster.predict(data, output_margin=True)}
    if objective == "binary:logistic" and predict.ndim == 1:
        outputs["probabilities"] = np.stack([np.float32(1) - predict, predict], axis=1)
        outputs["label"] = (predict > 0.5).astype(np.int64)
    elif objective == "multi:softprob":
        outputs["probabilities"] = predict
        outputs["label"] = predict.argmax(axis=1).astype(np.int64)
    elif objective == "multi:softmax":
        e = np.exp((outputs["margin"] - outputs["margin"].max(axis=1, keepdims=True)).astype(np.float64))
        outputs["probabilities"] = (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
        outputs["label"] = predict.astype(np.int64)
    return outputs


class Maker:
    """Trains, asks and writes one case after the other."""

    def __init__(self, out):
        self.folder = pathlib.Path(out) / FOLDER
        self.library = "xgboost " + xgb.__version__

    def case(self, family, name, about, source, parameters, rounds=4, categorical=None, since=(0, 0), **matrix):
        if VERSION < since:
            return
        rows, target = source() if callable(source) else source
        names = {}
        if categorical:
            names = {"feature_types": categorical, "enable_categorical": True}
        train = xgb.DMatrix(rows, label=target, missing=np.nan, nthread=1, **names, **matrix)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            booster = xgb.train({**COMMON, **parameters}, train, num_boost_round=rounds)
        self.write(family, name, about, booster, rows, parameters["objective"], **names)

    def write(self, family, name, about, booster, rows, objective, **names):
        files = save(booster)
        model = json.loads(files[".json"])
        tied = splits(model)
        if "feature_types" in names:
            tied = [(c, t) for c, t in tied if names["feature_types"][c] != "c"]
        plain = rows[:: max(1, len(rows) // 24)][:24]
        parts = [plain, edges.ties(plain, tied, limit=8)]
        if "feature_types" in names:
            # XGBoost refuses a negative category, and calls one above its own last unknown.
            odd = edges.missing(plain, count=6)
            parts += [odd, strange(plain, names["feature_types"])]
        else:
            parts += [edges.extremes(plain), edges.missing(plain, count=8)]
        asked = np.concatenate(parts).astype(np.float32)
        golden.write(
            self.folder,
            name,
            files,
            "xgboost/" + family,
            about,
            self.library,
            {"input": asked},
            answers(booster, asked, objective, **names),
        )


def strange(rows, types):
    """Categories that training has not seen, and ones that are no whole numbers."""
    made = rows[:6].copy()
    for row, value in zip(made, (31, 32, 33, 1000, 1.5, 16777215)):
        for column, kind in enumerate(types):
            if kind == "c":
                row[column] = value
    return made


def objectives(m):
    m.case("objective", "squarederror", "regression", diabetes, {"objective": "reg:squarederror"})
    m.case("objective", "squaredlogerror", "regression on logarithms", positive, {"objective": "reg:squaredlogerror"})
    m.case("objective", "pseudohuber", "pseudo Huber loss", positive, {"objective": "reg:pseudohubererror"})
    m.case("objective", "absoluteerror", "absolute error, whose leaves and base are medians", diabetes, {"objective": "reg:absoluteerror"})
    m.case("objective", "quantile", "one quantile", diabetes, {"objective": "reg:quantileerror", "quantile_alpha": 0.8}, since=(2, 0))
    m.case("objective", "quantiles", "three quantiles at once", diabetes, {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, since=(2, 0))
    m.case("objective", "gamma", "gamma, log link", positive, {"objective": "reg:gamma"})
    m.case("objective", "tweedie", "Tweedie, log link", positive, {"objective": "reg:tweedie", "tweedie_variance_power": 1.3})
    m.case("objective", "poisson", "Poisson, log link", lambda: (diabetes()[0], np.floor(diabetes()[1] / 40)), {"objective": "count:poisson"})
    m.case("objective", "reglogistic", "regression on probabilities", lambda: (diabetes()[0], diabetes()[1] / 400), {"objective": "reg:logistic"})
    m.case("objective", "logistic", "two classes", cancer, {"objective": "binary:logistic"})
    m.case("objective", "logitraw", "two classes, margins", cancer, {"objective": "binary:logitraw"})
    m.case("objective", "hinge", "two classes, 0 or 1", cancer, {"objective": "binary:hinge"})
    m.case("objective", "softprob", "three classes, probabilities", wine, {"objective": "multi:softprob", "num_class": 3})
    m.case("objective", "softmax", "three classes, labels", iris, {"objective": "multi:softmax", "num_class": 3})
    m.case("objective", "softprob2", "two classes with two scores", cancer, {"objective": "multi:softprob", "num_class": 2}, rounds=3)
    m.case("objective", "cox", "proportional hazards; negative labels are censored", lambda: (diabetes()[0], np.where(np.arange(442) % 3 == 0, -1, 1) * diabetes()[1]), {"objective": "survival:cox"})
    for kind in ("pairwise", "ndcg", "map"):
        m.case("objective", "rank" + kind, "ranking in groups", lambda: (cancer()[0][:560], cancer()[1][:560]), {"objective": "rank:" + kind}, group=[28] * 20)
    rows, target = diabetes()
    survival = xgb.DMatrix(rows, nthread=1)
    survival.set_float_info("label_lower_bound", target)
    survival.set_float_info("label_upper_bound", np.where(np.arange(442) % 4 == 0, np.inf, target))
    for kind in ("normal", "logistic", "extreme"):
        booster = xgb.train({**COMMON, "objective": "survival:aft", "aft_loss_distribution": kind, "aft_loss_distribution_scale": 2}, survival, 4)
        m.write("objective", "aft" + kind, "accelerated failure time, " + kind, booster, rows, "survival:aft")


def boosters(m):
    dart = {"booster": "dart", "rate_drop": 0.4, "skip_drop": 0.2}
    m.case("dart", "dart", "dropped trees, regression", diabetes, {"objective": "reg:squarederror", **dart}, rounds=8)
    m.case("dart", "dartlogistic", "dropped trees, two classes", holes_of_cancer, {"objective": "binary:logistic", **dart}, rounds=8)
    m.case("dart", "dartsoftprob", "dropped trees, three classes", wine, {"objective": "multi:softprob", "num_class": 3, "normalize_type": "forest", **dart}, rounds=5)
    linear = {"booster": "gblinear", "updater": "coord_descent", "eta": 0.5, "tree_method": "auto"}
    m.case("gblinear", "linear", "linear, regression", diabetes, {"objective": "reg:squarederror", **linear}, rounds=10)
    m.case("gblinear", "linearlogistic", "linear, two classes", cancer, {"objective": "binary:logistic", **linear}, rounds=10)
    m.case("gblinear", "linearsoftprob", "linear, three classes", iris, {"objective": "multi:softprob", "num_class": 3, **linear}, rounds=10)
    m.case("gblinear", "linearpoisson", "linear, log link", iris, {"objective": "count:poisson", **linear}, rounds=6)
    forest = {"num_parallel_tree": 5, "subsample": 0.6, "colsample_bynode": 0.7, "eta": 1}
    m.case("forest", "forest", "a random forest: one round of parallel trees", diabetes, {"objective": "reg:squarederror", **forest}, rounds=1)
    m.case("forest", "forestlogistic", "a random forest of two classes", cancer, {"objective": "binary:logistic", **forest}, rounds=1)
    m.case("forest", "forestsoftprob", "boosted forests of three classes", wine, {"objective": "multi:softprob", "num_class": 3, **forest, "num_parallel_tree": 3}, rounds=2)
    m.case("growth", "lossguide", "uneven trees", cancer, {"objective": "binary:logistic", "grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0})
    m.case("growth", "stumps", "trees of one split", cancer, {"objective": "binary:logistic", "max_depth": 1}, rounds=8)
    m.case("growth", "leaves", "trees without a split", diabetes, {"objective": "reg:squarederror", "gamma": 1e12}, rounds=3)
    m.case("growth", "deep", "deep trees on few columns", iris, {"objective": "multi:softprob", "num_class": 3, "max_depth": 9, "min_child_weight": 0}, rounds=2)
    m.case("growth", "exact", "the exact method", iris, {"objective": "reg:squarederror", "tree_method": "exact"})
    m.case("growth", "pruned", "nodes that were deleted again", cancer, {"objective": "binary:logistic", "tree_method": "exact", "gamma": 3, "max_depth": 5})
    m.case("growth", "monotone", "monotone constraints", lambda: (iris()[0], iris()[0][:, 0]), {"objective": "reg:squarederror", "monotone_constraints": "(0,1,1,-1)"})


def holes_of_cancer():
    return holes(cancer)


def missing(m):
    m.case("missing", "holes", "trained on missing values, two classes", holes_of_cancer, {"objective": "binary:logistic"})
    m.case("missing", "holeswine", "trained on missing values, three classes", lambda: holes(wine), {"objective": "multi:softprob", "num_class": 3})
    m.case("missing", "holesdiabetes", "trained on missing values, regression", lambda: holes(diabetes), {"objective": "reg:squarederror"})

    def sparse():
        rows, target = cancer()
        rows = np.where(rows > np.median(rows, axis=0), rows, 0).astype(np.float32)
        return rows, target

    m.case("missing", "zeros", "half of the values are zero: splits at and around it", sparse, {"objective": "binary:logistic"})

    def tiny():
        rng = np.random.default_rng(11)
        rows = (rng.integers(-40, 40, size=(200, 4)) * np.float64(1e-45)).astype(np.float32)
        rows[:, 1] = np.float32(1) + rng.integers(-6, 6, size=200) * np.float32(2**-23)
        rows[:, 2] = rng.choice(np.array([-3.4e38, -1e38, -0.0, 0.0, 1e38, 3.4e38], np.float32), 200)
        return rows, ((rows[:, 0] > 0) ^ (rows[:, 1] > 1) ^ (rows[:, 2] > 0)).astype(np.float32)

    m.case("missing", "denormals", "thresholds among denormals, neighbours of 1 and huge values", tiny, {"objective": "binary:logistic", "max_depth": 6, "tree_method": "exact"})


def bases(m):
    for name, source, objective, score in (
        ("basehalf", cancer, "binary:logistic", 0.5),
        ("basehigh", cancer, "binary:logistic", 0.93),
        ("basetiny", cancer, "binary:logistic", 1e-7),
        ("basezero", diabetes, "reg:squarederror", 0.0),
        ("basenegative", diabetes, "reg:squarederror", -123.456),
        ("baselarge", diabetes, "reg:squarederror", 1.5e4),
        ("basepoisson", iris, "count:poisson", 2.5),
        ("basegamma", positive, "reg:gamma", 0.3),
        ("basetweedie", positive, "reg:tweedie", 7.0),
        ("baselogitraw", cancer, "binary:logitraw", 0.3),
        ("basehinge", cancer, "binary:hinge", 0.7),
        ("basereglogistic", lambda: (diabetes()[0], diabetes()[1] / 400), "reg:logistic", 0.2),
        ("baserank", lambda: (cancer()[0][:560], cancer()[1][:560]), "rank:pairwise", 0.8),
        ("basecox", positive, "survival:cox", 1.7),
    ):
        group = {"group": [28] * 20} if objective.startswith("rank") else {}
        m.case("base_score", name, "base_score %g given" % score, source, {"objective": objective, "base_score": score, "min_child_weight": 0}, rounds=2, **group)
    m.case("base_score", "basesoftprob", "base_score 0.9 given, three classes", iris, {"objective": "multi:softprob", "num_class": 3, "base_score": 0.9}, rounds=2)
    m.case("base_score", "baselinear", "base_score 0.8 given, linear", cancer, {"objective": "binary:logistic", "booster": "gblinear", "updater": "coord_descent", "tree_method": "auto", "base_score": 0.8}, rounds=4)
    rows, target = iris()
    margins = xgb.DMatrix(rows, label=target, nthread=1)
    margins.set_base_margin(np.linspace(-1, 1, 150).astype(np.float32))
    m.write("base_score", "basemargin", "trained on base margins, which predicting does not have", xgb.train({**COMMON, "objective": "reg:squarederror"}, margins, 3), rows, "reg:squarederror")


def categories(m):
    rng = np.random.default_rng(13)
    rows = np.stack(
        [rng.integers(0, 4, 400), rng.integers(0, 40, 400), rng.normal(size=400), rng.integers(0, 3, 400)], axis=1
    ).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    types = ["c", "c", "float", "c"]
    signal = np.nan_to_num(rows)
    value = (signal[:, 1] % 7 - 3 + 2 * (signal[:, 0] == 2) + signal[:, 2] * (signal[:, 3] - 1)).astype(np.float32)
    hist = {"tree_method": "hist", "max_cat_to_onehot": 5}
    m.case("categorical", "categorical", "sets of categories and single ones, regression", (rows, value), {"objective": "reg:squarederror", **hist}, categorical=types)
    m.case("categorical", "categoricallogistic", "sets of categories, two classes", (rows, (value > 0).astype(np.float32)), {"objective": "binary:logistic", **hist}, categorical=types)
    m.case("categorical", "categoricalsoftprob", "sets of categories, three classes", (rows, np.digitize(value, [-1, 1]).astype(np.float32)), {"objective": "multi:softprob", "num_class": 3, **hist}, rounds=3, categorical=types)
    m.case("categorical", "onehot", "single categories only", (rows, value), {"objective": "reg:squarederror", **hist, "max_cat_to_onehot": 100}, categorical=types)
    m.case("categorical", "categoricaldart", "sets of categories, dropped trees", (rows, value), {"objective": "reg:squarederror", **hist, "booster": "dart", "rate_drop": 0.3}, categorical=types)


def targets(m):
    rows, target = iris()
    several = np.stack([target, rows[:, 0], rows[:, 2] * 3 - 5], axis=1).astype(np.float32)
    m.case("targets", "targets", "three targets, a tree each", (rows, several), {"objective": "reg:squarederror"}, rounds=3)
    m.case("targets", "targetsforest", "three targets, parallel trees", (rows, several), {"objective": "reg:squarederror", "num_parallel_tree": 2, "subsample": 0.7}, rounds=2)
    labels = np.stack([target == 0, target == 1, rows[:, 1] > 3], axis=1).astype(np.float32)
    m.case("targets", "multilabel", "three labels at once, each with a probability", (rows, labels), {"objective": "binary:logistic"}, rounds=3)
    together = {"multi_strategy": "multi_output_tree"}
    m.case("targets", "vectorleaf", "leaves with a value a target", (rows, several), {"objective": "reg:squarederror", **together}, rounds=3, since=(2, 0))
    m.case("targets", "vectorlabels", "leaves with a value a label", (rows, labels), {"objective": "binary:logistic", **together}, rounds=3, since=(2, 0))
    m.case("targets", "vectorsoftprob", "leaves with a value a class", wine, {"objective": "multi:softprob", "num_class": 3, **together}, rounds=3, since=(2, 0))
    m.case("targets", "vectorholes", "leaves with a value a class, missing values", lambda: holes(wine), {"objective": "multi:softprob", "num_class": 3, **together}, rounds=3, since=(2, 0))


def wrappers(m):
    rows, target = cancer()
    common = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1, "random_state": 7}
    classifier = xgb.XGBClassifier(**common).fit(rows, target.astype(int))
    m.write("wrapper", "classifier", "XGBClassifier's own file", classifier.get_booster(), rows, "binary:logistic")
    regressor = xgb.XGBRFRegressor(**common).fit(*diabetes())
    m.write("wrapper", "rfregressor", "XGBRFRegressor's own file", regressor.get_booster(), diabetes()[0], "reg:squarederror")
    wide, target = make_classification(300, 30, n_informative=12, n_classes=5, random_state=3)
    five = xgb.XGBClassifier(**common).fit(wide.astype(np.float32), target)
    m.write("wrapper", "fiveclasses", "XGBClassifier of five classes", five.get_booster(), wide.astype(np.float32), "multi:softprob")
    rows, target = wine()
    named = xgb.DMatrix(rows, label=target, feature_names=load_wine().feature_names, nthread=1)
    booster = xgb.train({**COMMON, "objective": "reg:squarederror"}, named, 3)
    files_named = booster.feature_names
    booster.set_attr(best_iteration="1", note='a "quoted" attribute \\ \u00e4')
    model_rows = rows
    # Asked without names, which a row of a request does not have either.
    m.write("wrapper", "named", "named columns and attributes", _Unnamed(booster), model_rows, "reg:squarederror")
    assert files_named


class _Unnamed:
    """A booster that does not compare the names of columns."""

    def __init__(self, booster):
        self.booster = booster
        self.save_model = booster.save_model

    def predict(self, data, **options):
        return self.booster.predict(data, validate_features=False, **options)


def make(out):
    m = Maker(out)
    for family in (objectives, boosters, missing, bases, categories, targets, wrappers):
        family(m)
