"""Pipelines: columns of mixed type as inputs of their own, transformers, estimators."""

import numpy as np
from onnx import TensorProto
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

import graphs
from onnx_linear import ask, coefficients, labels_of
from onnx_trees import link, of_boosting, of_forest


def floats(values):
    return [float(v) for v in np.asarray(values, np.float32).ravel()]


# The steps: each adds its nodes behind value and returns what they give.


def imputer(graph, model, value):
    return graph.ml("Imputer", value, imputed_value_floats=floats(model.statistics_), replaced_value_float=float("nan"))


def scaler(graph, model, value):
    if isinstance(model, RobustScaler):
        return graph.ml("Scaler", value, offset=floats(model.center_), scale=floats(1 / model.scale_))
    if isinstance(model, MaxAbsScaler):
        return graph.ml("Scaler", value, offset=[0.0] * len(model.scale_), scale=floats(1 / model.scale_))
    return graph.ml("Scaler", value, offset=floats(model.mean_), scale=floats(1 / model.scale_))


def minmax(graph, model, value):
    value = graph.add("Cast", value, to=TensorProto.FLOAT)
    value = graph.add("Mul", [value, graph.constant(model.scale_.astype(np.float32))])
    value = graph.add("Add", [value, graph.constant(model.min_.astype(np.float32))])
    if model.clip:
        low, high = (graph.constant(np.array(v, np.float32)) for v in model.feature_range)
        value = graph.add("Clip", [value, low, high])
    return value


def one_hot(graph, model, value):
    """A OneHotEncoder a column, the columns taken out of the strings or integers."""
    encoded = []
    for i, categories in enumerate(model.categories_):
        column = value
        if len(model.categories_) > 1:
            column = graph.ml("ArrayFeatureExtractor", [value, graph.constant(np.array([i], np.int64))])
        if isinstance(categories[0], str):
            known = {"cats_strings": [str(c) for c in categories]}
        else:
            known = {"cats_int64s": [int(c) for c in categories]}
        hot = graph.ml("OneHotEncoder", column, zeros=1, **known)
        encoded.append(graph.add("Reshape", [hot, graph.constant(np.array([-1, len(categories)], np.int64))]))
    return graph.add("Concat", encoded, axis=1) if len(encoded) > 1 else encoded[0]


def ordinal(graph, model, value):
    encoded = []
    for i, categories in enumerate(model.categories_):
        column = graph.ml("ArrayFeatureExtractor", [value, graph.constant(np.array([i], np.int64))])
        codes = graph.ml("LabelEncoder", column, keys_strings=[str(c) for c in categories], values_int64s=list(range(len(categories))), default_int64=-1)
        shaped = graph.add("Reshape", [codes, graph.constant(np.array([-1, 1], np.int64))])
        encoded.append(graph.add("Cast", shaped, to=TensorProto.FLOAT))
    return graph.add("Concat", encoded, axis=1)


def estimator(graph, model, value, label="label", probabilities="probabilities"):
    """A classifier with its two outputs, whose probabilities are normalised."""
    classes = model.classes_.tolist()
    if isinstance(model, (LogisticRegression, LinearSVC)):
        labels, elem = labels_of(classes)
        many = len(classes) > 2
        raw = graph.name("raw") if many else probabilities
        graph.ml("LinearClassifier", value, [label, raw], **coefficients(model), **labels, multi_class=int(many), post_transform="SOFTMAX" if many else "LOGISTIC")
        if many:
            graph.ml("Normalizer", raw, probabilities, norm="L1")
        return elem
    ensemble, attributes = (of_boosting(model) if hasattr(model, "learning_rate") else (of_forest(model), {}))
    if attributes:
        attributes["post_transform"] = link(model)
    strings = isinstance(classes[0], str)
    attributes["classlabels_strings" if strings else "classlabels_int64s"] = classes
    graph.ml("TreeEnsembleClassifier", value, [label, probabilities], **ensemble.lists, **attributes)
    return TensorProto.STRING if strings else TensorProto.INT64


def transformers(m):
    """One transformer each, from X to variable."""
    data, _ = load_wine(return_X_y=True)
    data = data[:, :6].astype(np.float32)
    centred = (data - data.mean(axis=0)).astype(np.float32)
    rows, known = ask(data)

    def case(name, about, graph, value, theirs, given=None, elem=TensorProto.FLOAT):
        given = rows if given is None else given
        graph.add("Identity", value, "variable")
        graph.output("variable", elem, None)
        m.case("transformer", name, about, graph, {"X": given}, {"variable": theirs})

    for model in (StandardScaler(), RobustScaler(), MaxAbsScaler()):
        graph = graphs.Graph()
        model.fit(data)
        name = type(model).__name__
        case(name.lower(), name, graph, scaler(graph, model, "X"), model.transform(rows[:known].astype(np.float64)))
    for clip in (False, True):
        graph = graphs.Graph()
        model = MinMaxScaler((-1, 2), clip=clip).fit(data)
        case("minmax" + ("clip" if clip else ""), "MinMaxScaler" + (", clipped" if clip else ""), graph, minmax(graph, model, "X"), model.transform(rows[:known].astype(np.float64)))
    for norm in ("l1", "l2", "max"):
        graph = graphs.Graph()
        signed, count = ask(centred)
        # scikit-learn takes a norm below 10 eps for 1, and the largest absolute value
        # for max: it is asked of ordinary rows only. The row of denormals is left out.
        plain = data[:20]
        given = np.concatenate([plain, signed[: count - 1]])
        case("normalizer" + norm, "Normalizer " + norm, graph, graph.ml("Normalizer", "X", norm=norm.upper()), Normalizer(norm).transform(plain.astype(np.float64)), given)
    graph = graphs.Graph()
    case("binarizer", "Binarizer", graph, graph.ml("Binarizer", "X", threshold=12.75), Binarizer(threshold=12.75).transform(rows[:known]), rows[:known])
    graph = graphs.Graph()
    holed = data.copy()
    holed[::3, 1] = holed[1::4, 4] = np.nan
    model = SimpleImputer().fit(holed)
    case("imputer", "SimpleImputer, means", graph, imputer(graph, model, "X"), model.transform(holed[:40]), holed[:40])
    graph = graphs.Graph()
    model = PCA(3).fit(data)
    centre = graph.add("Sub", ["X", graph.constant(model.mean_.astype(np.float32))])
    case("pca", "PCA", graph, graph.add("MatMul", [centre, graph.constant(model.components_.T.astype(np.float32))]), model.transform(rows[:known].astype(np.float64)), rows[:known])
    graph = graphs.Graph()
    model = SelectKBest(k=3).fit(data, load_wine().target)
    chosen = model.get_support(indices=True).astype(np.int64)
    case("selectkbest", "SelectKBest", graph, graph.ml("ArrayFeatureExtractor", ["X", graph.constant(chosen)]), model.transform(rows[:known]))
    graph = graphs.Graph()
    model = PolynomialFeatures(2).fit(data[:, :3])
    parts = []
    for powers in model.powers_:
        taken = [i for i, p in enumerate(powers) for _ in range(p)]
        if not taken:
            zero = graph.add("Mul", [graph.ml("ArrayFeatureExtractor", ["X", graph.constant(np.array([0], np.int64))]), graph.constant(np.array([0], np.float32))])
            parts.append(graph.add("Add", [zero, graph.constant(np.array([1], np.float32))]))
            continue
        columns = graph.ml("ArrayFeatureExtractor", ["X", graph.constant(np.array(taken, np.int64))])
        parts.append(graph.add("ReduceProd", columns, axes=[1], keepdims=1) if len(taken) > 1 else columns)
    case("polynomial", "PolynomialFeatures", graph, graph.add("Concat", parts, axis=1), model.transform(rows[:known, :3]), rows[:known, :3])
    graph = graphs.Graph()
    model = KBinsDiscretizer(4, encode="ordinal", strategy="uniform").fit(data)
    found = []
    for i, edges in enumerate(model.bin_edges_):
        column = graph.ml("ArrayFeatureExtractor", ["X", graph.constant(np.array([i], np.int64))])
        above = graph.add("GreaterOrEqual", [column, graph.constant(edges[1:-1].astype(np.float32).reshape(1, -1))])
        found.append(graph.add("ReduceSum", [graph.add("Cast", above, to=TensorProto.FLOAT), graph.constant(np.array([1], np.int64))], keepdims=1))
    case("kbins", "KBinsDiscretizer by comparisons", graph, graph.add("Concat", found, axis=1), model.transform(data[::7].astype(np.float64)), data[::7])
    codes = np.array([[1, 30], [2, 10], [5, 20], [1, 10], [2, 20]], np.int64)
    graph = graphs.Graph()
    model = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(codes)
    asked = np.concatenate([codes, [[7, 10], [-1, 99], [2**40, 30]]]).astype(np.int64)
    case("onehotint", "OneHotEncoder of integers, unknown ones too", graph, one_hot(graph, model, "X"), model.transform(asked), asked)
    words = np.array([["a", "x y"], ["", "\u00e9"], ["b", "x y"], ["B", "z"]], dtype=object)
    graph = graphs.Graph()
    model = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(words)
    asked = np.concatenate([words, [["nobody", "x y"], ["A", "x"], ["a ", ""]]]).astype(object)
    case("onehotstring", "OneHotEncoder of strings, unknown ones too", graph, one_hot(graph, model, "X"), model.transform(asked), asked)
    graph = graphs.Graph()
    model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(words)
    case("ordinal", "OrdinalEncoder of strings, unknown ones too", graph, ordinal(graph, model, "X"), model.transform(asked), asked)


def passengers(count=160):
    """Made-up passengers: two floats with missing values, an integer, two strings."""
    rng = np.random.default_rng(21)
    age = rng.normal(35, 14, (count, 1)).astype(np.float32)
    fare = rng.gamma(2, 15, (count, 1)).astype(np.float32)
    rank = rng.integers(1, 4, (count, 1)).astype(np.int64)
    sex = rng.choice(["female", "male"], (count, 1)).astype(object)
    port = rng.choice(["C", "Q", "S", ""], (count, 1)).astype(object)
    score = (sex[:, 0] == "female") * 2 - rank[:, 0] + fare[:, 0] / 40 - age[:, 0] / 60 + rng.normal(0, 0.7, count)
    age[rng.random((count, 1)) < 0.2] = np.nan
    fare[rng.random((count, 1)) < 0.1] = np.nan
    return {"age": age, "fare": fare, "rank": rank, "sex": sex, "port": port}, score


def columns(m):
    """ColumnTransformer's form: an input a column, Concat by type, a step a group."""
    inputs, score = passengers()
    target = (score > np.median(score)).astype(np.int64)
    words = np.array(["lost", "saved"], dtype=object)[target]
    several = np.digitize(score, np.quantile(score, [0.33, 0.66]))
    numbers = np.concatenate([inputs["age"], inputs["fare"]], axis=1)
    texts = np.concatenate([inputs["sex"], inputs["port"]], axis=1)
    imputing = SimpleImputer(strategy="median").fit(numbers)
    # The runtime replaces by and goes on with float32, and so must the trees here.
    filled = imputing.transform(numbers).astype(np.float32)
    scaling = StandardScaler().fit(filled)
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(texts)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(texts)
    asked = {k: v[:60].copy() for k, v in inputs.items()}
    asked["sex"][:3] = [["unknown"], [""], ["Male"]]
    asked["port"][2:5] = [["X"], ["s"], ["\u00fc"]]
    asked["rank"][5:7] = [[9], [-1]]
    asked["age"][7:9] = [[np.float32(1e-45)], [np.float32(3e38)]]
    some = imputing.transform(np.concatenate([asked["age"], asked["fare"]], axis=1)).astype(np.float32)
    words_asked = np.concatenate([asked["sex"], asked["port"]], axis=1)

    def assemble(name, about, model, goal, encode, scaled, zipmap=False):
        plain = lambda n, t, r: np.concatenate([scaling.transform(n) if scaled else n, r, encode.transform(t)], axis=1)  # noqa: E731
        train, ask_ = plain(filled, texts, inputs["rank"]), plain(some, words_asked, asked["rank"])
        if not scaled:
            train, ask_ = train.astype(np.float32), ask_.astype(np.float32)
        model.fit(train, goal)
        graph = graphs.Graph()
        number = imputer(graph, imputing, graph.add("Concat", ["age", "fare"], axis=1))
        if scaled:
            number = scaler(graph, scaling, number)
        text = (one_hot if encode is hot else ordinal)(graph, encode, graph.add("Concat", ["sex", "port"], axis=1))
        rank = graph.add("Cast", "rank", to=TensorProto.FLOAT)
        together = graph.add("Concat", [number, rank, text], axis=1)
        last = "scores" if zipmap else "probabilities"
        elem = estimator(graph, model, together, probabilities=last)
        graph.output("label", elem, [None])
        if zipmap:
            strings = elem == TensorProto.STRING
            graph.ml("ZipMap", last, "probabilities", **{"classlabels_strings" if strings else "classlabels_int64s": model.classes_.tolist()})
            graph.sequence_of_maps("probabilities", elem)
        else:
            graph.output("probabilities", TensorProto.FLOAT, [None, len(model.classes_)])
        m.case("columns", name, about, graph, asked, {"label": model.predict(ask_), "probabilities": model.predict_proba(ask_)})

    assemble("columnslogistic", "imputer, scaler, one-hot, logistic regression", LogisticRegression(max_iter=500), target, hot, True)
    assemble("columnslogisticwords", "imputer, scaler, one-hot, logistic regression of names, ZipMap", LogisticRegression(max_iter=500), words, hot, True, zipmap=True)
    assemble("columnsforest", "imputer, one-hot, forest of three classes", RandomForestClassifier(6, max_depth=4, random_state=7), several, hot, False)
    assemble("columnsboosting", "imputer, ordinal encoder, gradient boosting", GradientBoostingClassifier(n_estimators=8, random_state=7), target, codes, False)
    assemble("columnsboostingwords", "imputer, ordinal encoder, gradient boosting of names, ZipMap", GradientBoostingClassifier(n_estimators=6, random_state=7), words, codes, False, zipmap=True)


def chains(m):
    """Transformers before and estimators beside each other."""
    cancer, malignant = load_breast_cancer(return_X_y=True)
    cancer = cancer[:, :10].astype(np.float32)
    iris, species = load_iris(return_X_y=True)
    iris = iris.astype(np.float32)
    diabetes, progress = load_diabetes(return_X_y=True)
    diabetes = diabetes.astype(np.float32)

    def finish(name, about, graph, rows, model, known=None):
        graph.output("label", TensorProto.INT64, [None])
        graph.output("probabilities", TensorProto.FLOAT, [None, len(model.classes_)])
        known = known or len(rows)
        m.case("chain", name, about, graph, {"X": rows}, {"label": model.predict(rows[:known]), "probabilities": model.predict_proba(rows[:known])})

    def chosen(graph, probabilities, classes):
        best = graph.add("ArgMax", probabilities, axis=1)
        label = graph.ml("ArrayFeatureExtractor", [graph.constant(np.asarray(classes, np.int64)), best])
        graph.add("Reshape", [label, graph.constant(np.array([-1], np.int64))], "label")

    rows, known = ask(cancer)
    scaling = StandardScaler().fit(cancer)

    class Piped:
        """A scaler and an estimator behind it."""

        def __init__(self, model, data, target):
            self.model = model.fit(scaling.transform(data), target)
            self.classes_ = model.classes_

        def predict(self, rows):
            return self.model.predict(scaling.transform(rows))

        def predict_proba(self, rows):
            return self.model.predict_proba(scaling.transform(rows))

    graph = graphs.Graph()
    piped = Piped(LogisticRegression(max_iter=500), cancer, malignant)
    estimator(graph, piped.model, scaler(graph, scaling, "X"))
    finish("scaledlogistic", "scaler, logistic regression", graph, rows, piped, known)

    class Reduced(Piped):
        def __init__(self, data, target):
            self.pca = PCA(3).fit(scaling.transform(data))
            self.model = LogisticRegression().fit(self.pca.transform(scaling.transform(data)), target)
            self.classes_ = self.model.classes_

        def predict(self, rows):
            return self.model.predict(self.pca.transform(scaling.transform(rows)))

        def predict_proba(self, rows):
            return self.model.predict_proba(self.pca.transform(scaling.transform(rows)))

    graph = graphs.Graph()
    reduced = Reduced(cancer, malignant)
    centre = graph.add("Sub", [scaler(graph, scaling, "X"), graph.constant(reduced.pca.mean_.astype(np.float32))])
    product = graph.add("MatMul", [centre, graph.constant(reduced.pca.components_.T.astype(np.float32))])
    estimator(graph, reduced.model, product)
    finish("pcalogistic", "scaler, PCA, logistic regression", graph, rows[:known], reduced)

    vote = VotingClassifier([("l", LogisticRegression(max_iter=2000)), ("f", RandomForestClassifier(5, max_depth=4, random_state=7))], voting="soft", weights=[1, 3]).fit(iris, species)
    rows, known = ask(iris)
    graph = graphs.Graph()
    weighted = []
    for i, (model, weight) in enumerate(zip(vote.estimators_, (0.25, 0.75))):
        estimator(graph, model, "X", "l%d" % i, "p%d" % i)
        weighted.append(graph.add("Mul", ["p%d" % i, graph.constant(np.array([weight], np.float32))]))
    graph.add("Sum", weighted, "probabilities")
    chosen(graph, "probabilities", vote.classes_)
    finish("voting", "a soft vote of logistic regression and a forest", graph, rows[:known], vote)

    stack = StackingClassifier([("g", GradientBoostingClassifier(n_estimators=4, random_state=7)), ("f", RandomForestClassifier(4, max_depth=3, random_state=7))], LogisticRegression(), cv=3).fit(iris, species)
    graph = graphs.Graph()
    for i, model in enumerate(stack.estimators_):
        estimator(graph, model, "X", "l%d" % i, "p%d" % i)
    estimator(graph, stack.final_estimator_, graph.add("Concat", ["p0", "p1"], axis=1))
    finish("stacking", "gradient boosting and a forest, logistic regression behind both", graph, rows[:known], stack)

    rows, known = ask(cancer)
    calibrated = CalibratedClassifierCV(LinearSVC(dual=False), cv=2, ensemble=True).fit(cancer, malignant)
    graph = graphs.Graph()
    parts = []
    for i, one in enumerate(calibrated.calibrated_classifiers_):
        labels, _ = labels_of([0, 1])
        graph.ml("LinearClassifier", "X", ["l%d" % i, "s%d" % i], **coefficients(one.estimator), **labels, multi_class=0, post_transform="NONE")
        score = graph.ml("ArrayFeatureExtractor", ["s%d" % i, graph.constant(np.array([1], np.int64))])
        curve = one.calibrators[0]
        power = graph.add("Add", [graph.add("Mul", [score, graph.constant(np.array([curve.a_], np.float32))]), graph.constant(np.array([curve.b_], np.float32))])
        one_ = graph.constant(np.array([1], np.float32))
        positive = graph.add("Div", [one_, graph.add("Add", [graph.add("Exp", power), one_])])
        parts.append(graph.add("Concat", [graph.add("Sub", [one_, positive]), positive], axis=1))
    graph.add("Div", [graph.add("Add", parts), graph.constant(np.array([2], np.float32))], "probabilities")
    chosen(graph, "probabilities", [0, 1])
    finish("calibrated", "a calibrated linear SVC of two folds", graph, rows[:known], calibrated)

    scaling = StandardScaler().fit(diabetes)
    rows, known = ask(diabetes)
    for name, model in (("scaledridge", Ridge()), ("scaledforest", RandomForestRegressor(4, max_depth=4, random_state=7))):
        graph = graphs.Graph()
        value = scaler(graph, scaling, "X")
        # A tree behind a scaler is trained on what the runtime's scaler gives it: a
        # float32 that scikit-learn's float64 rounds to at most one place away from.
        scaled = ((diabetes - scaling.mean_.astype(np.float32)) * (1 / scaling.scale_).astype(np.float32)).astype(np.float32)
        given = ((rows[:known] - scaling.mean_.astype(np.float32)) * (1 / scaling.scale_).astype(np.float32)).astype(np.float32)
        model.fit(scaled, progress)
        if name == "scaledridge":
            graph.ml("LinearRegressor", value, "variable", coefficients=floats(model.coef_), intercepts=floats([model.intercept_]), targets=1)
        else:
            graph.ml("TreeEnsembleRegressor", value, "variable", n_targets=1, **of_forest(model).lists)
        graph.output("variable", TensorProto.FLOAT, [None, 1])
        m.case("chain", name, "scaler, " + type(model).__name__, graph, {"X": rows}, {"variable": model.predict(given).reshape(-1, 1)})

    scaling = StandardScaler().fit(iris)
    rows, known = ask(iris)
    machine = SVC(probability=True, random_state=7).fit(scaling.transform(iris), species)
    graph = graphs.Graph()
    graph.ml(
        "SVMClassifier",
        scaler(graph, scaling, "X"),
        ["label", "probabilities"],
        kernel_type="RBF",
        kernel_params=floats([machine._gamma, machine.coef0, machine.degree]),
        support_vectors=floats(machine.support_vectors_),
        coefficients=floats(machine.dual_coef_),
        rho=floats(machine.intercept_),
        vectors_per_class=[int(n) for n in machine.n_support_],
        prob_a=floats(machine.probA_),
        prob_b=floats(machine.probB_),
        classlabels_ints=[0, 1, 2],
        post_transform="NONE",
    )
    piped = Piped.__new__(Piped)
    piped.model, piped.classes_ = machine, machine.classes_
    finish("scaledsvc", "scaler, SVC with probabilities", graph, rows[:known], piped)


def make(m):
    transformers(m)
    columns(m)
    chains(m)
