"""Support vector machines as ONNX."""

import numpy as np
from onnx import TensorProto
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

import graphs
from onnx_linear import ask, labels_of


def common(model):
    f32 = lambda values: [float(v) for v in np.asarray(values, np.float32).ravel()]  # noqa: E731
    return {
        "kernel_type": model.kernel.upper(),
        "kernel_params": f32([model._gamma, model.coef0, model.degree]),
        "support_vectors": f32(model.support_vectors_),
        "post_transform": "NONE",
    }, f32


def one_against_one(graph, raw, classes):
    """scikit-learn's scores by class out of those by pair: votes, and less than a vote
    for the confidences, as skl2onnx writes it."""
    one, three, zero = (graph.constant(np.array(v, np.float32)) for v in (1, 3, 0))
    less = graph.add("Cast", graph.add("Less", [raw, zero]), to=TensorProto.FLOAT)
    confidence, votes = ([[] for _ in range(classes)] for _ in range(2))
    pair = 0
    for i in range(classes):
        for j in range(i + 1, classes):
            at = graph.constant(np.array(pair, np.int64))
            c = graph.ml("ArrayFeatureExtractor", [raw, at])
            v = graph.ml("ArrayFeatureExtractor", [less, at])
            confidence[i].append(c)
            confidence[j].append(graph.add("Neg", c))
            votes[j].append(v)
            votes[i].append(graph.add("Add", [graph.add("Neg", v), one]))
            pair += 1
    sums = graph.add("Concat", [graph.add("Sum", c) for c in confidence], axis=1)
    counted = graph.add("Concat", [graph.add("Sum", v) for v in votes], axis=1)
    bound = graph.add("Mul", [graph.add("Add", [graph.add("Abs", sums), one]), three])
    graph.add("Add", [counted, graph.add("Div", [sums, bound])], "scores")


def classifier(m, name, about, model, data, target):
    model.fit(data, target)
    rows, known = ask(data, 30)
    rows = rows[:known]
    attributes, f32 = common(model)
    classes = model.classes_.tolist()
    sign = -1 if len(classes) == 2 else 1
    labels, elem = labels_of(classes)
    attributes.update(
        coefficients=f32(sign * model.dual_coef_),
        rho=f32(sign * model.intercept_),
        vectors_per_class=[int(n) for n in model.n_support_],
        **labels,
    )
    theirs = {"label": model.predict(rows)}
    graph = graphs.Graph()
    if model.probability:
        attributes.update(prob_a=f32(model.probA_), prob_b=f32(model.probB_))
        graph.ml("SVMClassifier", ["X"], ["label", "probabilities"], **attributes)
        graph.output("label", elem, [None])
        graph.output("probabilities", TensorProto.FLOAT, [None, len(classes)])
        theirs["probabilities"] = model.predict_proba(rows)
    elif len(classes) > 2:
        graph.ml("SVMClassifier", ["X"], ["label", "pairs"], **attributes)
        one_against_one(graph, "pairs", len(classes))
        graph.output("label", elem, [None])
        graph.output("scores", TensorProto.FLOAT, [None, len(classes)])
        theirs["scores"] = model.decision_function(rows)
    else:
        graph.ml("SVMClassifier", ["X"], ["label", "scores"], **attributes)
        graph.output("label", elem, [None])
        graph.output("scores", TensorProto.FLOAT, None)
    m.case("svc", name, about, graph, {"X": rows}, theirs)


def regressor(m, name, about, model, data, target=None):
    model.fit(data, target)
    rows, known = ask(data, 30)
    attributes, f32 = common(model)
    attributes.update(coefficients=f32(model.dual_coef_), rho=f32(model.intercept_), n_supports=len(model.support_))
    graph, noise = graphs.Graph(), 0
    if isinstance(model, OneClassSVM):
        rows = rows[:known]
        graph.ml("SVMRegressor", ["X"], "scores", **attributes)
        graph.add("Cast", graph.add("Sign", "scores"), "label", to=TensorProto.INT64)
        graph.output("label", TensorProto.INT64, [None, 1])
        graph.output("scores", TensorProto.FLOAT, [None, 1])
        # A score of some 1e-4 is what is left of terms that add up to this much.
        noise = float("%.1e" % (np.abs(model.dual_coef_).sum() * np.finfo(np.float32).eps))
        theirs = {"label": model.predict(rows).reshape(-1, 1), "scores": model.decision_function(rows).reshape(-1, 1)}
    else:
        graph.ml("SVMRegressor", ["X"], "variable", **attributes)
        graph.output("variable", TensorProto.FLOAT, [None, 1])
        theirs = {"variable": model.predict(rows[:known]).reshape(-1, 1)}
    m.case("svr", name, about, graph, {"X": rows}, theirs, noise=noise)


def make(m):
    scale = lambda data: StandardScaler().fit_transform(data).astype(np.float32)  # noqa: E731
    cancer, malignant = load_breast_cancer(return_X_y=True)
    cancer = scale(cancer[::4, :6])
    malignant = malignant[::4]
    wine, kinds = load_wine(return_X_y=True)
    wine, kinds = scale(wine[::2, :8]), kinds[::2]
    names = np.array(["a", "b b", "\u00e7"], dtype=object)[kinds]
    diabetes, progress = load_diabetes(return_X_y=True)
    diabetes, progress = scale(diabetes[::6, :6]), progress[::6]
    for kernel in ("linear", "rbf", "poly", "sigmoid"):
        classifier(m, "svc" + kernel, "two classes, " + kernel, SVC(kernel=kernel, coef0=0.5), cancer, malignant)
        classifier(m, "svcmulti" + kernel, "three classes, " + kernel, SVC(kernel=kernel, coef0=0.25), wine, kinds)
        regressor(m, "svr" + kernel, "regression, " + kernel, SVR(kernel=kernel, C=50), diabetes, progress)
    classifier(m, "svcprobability", "two classes with probabilities", SVC(probability=True, random_state=7), cancer, malignant)
    classifier(m, "svcmultiprobability", "three classes with probabilities", SVC(probability=True, random_state=7), wine, kinds)
    classifier(m, "svclinearprobability", "three classes with names and probabilities, linear", SVC(kernel="linear", probability=True, random_state=7), wine, names)
    classifier(m, "nusvc", "three classes with names, nu", NuSVC(nu=0.2), wine, names)
    regressor(m, "nusvr", "regression, nu", NuSVR(C=50), diabetes, progress)
    regressor(m, "oneclass", "one class", OneClassSVM(nu=0.2), wine)
