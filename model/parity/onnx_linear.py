"""Linear models, and others that are sums of products, as ONNX."""

import numpy as np
from onnx import TensorProto
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import graphs
import rows as edges


def ask(data, count=24):
    """Rows that scikit-learn takes, and behind them those that only the runtime takes."""
    plain = data[:: max(1, len(data) // count)][:count]
    zeros = np.array([[0.0] * data.shape[1], [-0.0] * data.shape[1], [edges.TINY] * data.shape[1]], np.float32)
    known = np.concatenate([plain, zeros]).astype(np.float32)
    odd = np.concatenate([edges.missing(plain, count=3), edges.infinite(plain, count=2)])
    return np.concatenate([known, odd]).astype(np.float32), len(known)


def labels_of(classes):
    if isinstance(classes[0], str):
        return {"classlabels_strings": [str(c) for c in classes]}, TensorProto.STRING
    return {"classlabels_ints": [int(c) for c in classes]}, TensorProto.INT64


def coefficients(model):
    """Of two classes the first has the second's, negated."""
    weights, intercepts = model.coef_, np.atleast_1d(model.intercept_)
    if len(model.classes_) == 2:
        weights, intercepts = np.concatenate([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return {"coefficients": weights.ravel().astype(float).tolist(), "intercepts": intercepts.astype(float).tolist()}


def classifier(m, family, name, about, model, data, target, ovr=False, margins=False):
    model.fit(data, target)
    classes = model.classes_.tolist()
    rows, known = ask(data)
    graph = graphs.Graph()
    labels, elem = labels_of(classes)
    many = len(classes) > 2
    transform = "NONE" if margins else ("LOGISTIC" if ovr or not many else "SOFTMAX")
    theirs = {"label": model.predict(rows[:known])}
    if margins:
        scores = model.decision_function(rows[:known])
        theirs["scores"] = scores if many else scores.reshape(-1, 1)
    else:
        theirs["probabilities"] = model.predict_proba(rows[:known])
    middle = "raw" if (margins != many) else ("scores" if margins else "probabilities")
    graph.ml("LinearClassifier", ["X"], ["label", middle], **coefficients(model), **labels, multi_class=int(many and not ovr), post_transform=transform)
    graph.output("label", elem, [None])
    if margins and not many:
        graph.ml("ArrayFeatureExtractor", [middle, graph.constant(np.array(1, np.int64))], "scores")
    elif not margins and many:
        graph.ml("Normalizer", middle, "probabilities", norm="L1")
    graph.output("scores" if margins else "probabilities", TensorProto.FLOAT, None)
    m.case(family, name, about, graph, {"X": rows}, theirs)


def regressor(m, name, about, model, data, target, transform="NONE"):
    model.fit(data, target)
    rows, known = ask(data)
    targets = 1 if target.ndim == 1 else target.shape[1]
    graph = graphs.Graph()
    graph.ml("LinearRegressor", ["X"], "variable" if transform == "NONE" else "log", coefficients=model.coef_.ravel().astype(float).tolist(), intercepts=np.atleast_1d(model.intercept_).astype(float).tolist(), targets=targets)
    if transform == "EXP":
        graph.add("Exp", "log", "variable")
    graph.output("variable", TensorProto.FLOAT, [None, targets])
    m.case("linear_regression", name, about, graph, {"X": rows}, {"variable": model.predict(rows[:known]).reshape(known, targets)})


def double_logistic(m, data, target):
    """skl2onnx's form for doubles, which LinearClassifier does not take: MatMul, Add,
    ArgMax and labels by ArrayFeatureExtractor."""
    model = LogisticRegression(max_iter=500).fit(data, target)
    rows, known = ask(data)
    rows = rows[:known].astype(np.float64) + 1e-9
    graph = graphs.Graph()
    product = graph.add("MatMul", ["X", graph.constant(model.coef_.T.copy())])
    raw = graph.add("Add", [product, graph.constant(model.intercept_.reshape(1, -1))])
    best = graph.add("ArgMax", raw, axis=1)
    flat = graph.add("Reshape", [best, graph.constant(np.array([-1], np.int64))])
    label = graph.ml("ArrayFeatureExtractor", [graph.constant(model.classes_.astype(np.int64)), flat])
    graph.add("Reshape", [label, graph.constant(np.array([-1], np.int64))], "label")
    graph.add("Softmax", raw, "probabilities", axis=1)
    graph.output("label", TensorProto.INT64, [None])
    graph.output("probabilities", TensorProto.DOUBLE, [None, 3])
    m.case("logistic_regression", "logisticdouble", "three classes on doubles", graph, {"X": rows}, {"label": model.predict(rows), "probabilities": model.predict_proba(rows)})


def perceptron(m, name, about, model, data, target):
    """Layers of MatMul, Add and an activation, as skl2onnx writes them."""
    model.fit(data, target)
    rows, known = ask(data)
    graph = graphs.Graph()
    value = graph.add("Cast", "X", to=TensorProto.FLOAT)
    last = len(model.coefs_) - 1
    for i, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_)):
        product = graph.add("MatMul", [value, graph.constant(weights.astype(np.float32))])
        value = graph.add("Add", [product, graph.constant(bias.reshape(1, -1).astype(np.float32))])
        if i < last:
            value = graph.add({"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}[model.activation], value)
    theirs = {}
    if hasattr(model, "classes_"):
        if len(model.classes_) == 2:
            positive = graph.add("Sigmoid", value)
            negative = graph.add("Sub", [graph.constant(np.array([1], np.float32)), positive])
            graph.add("Concat", [negative, positive], "probabilities", axis=1)
        else:
            graph.add("Softmax", value, "probabilities", axis=1)
        best = graph.add("ArgMax", "probabilities", axis=1)
        label = graph.ml("ArrayFeatureExtractor", [graph.constant(model.classes_.astype(np.int64)), best])
        graph.add("Reshape", [label, graph.constant(np.array([-1], np.int64))], "label")
        graph.output("label", TensorProto.INT64, [None])
        graph.output("probabilities", TensorProto.FLOAT, [None, len(model.classes_)])
        theirs = {"label": model.predict(rows[:known]), "probabilities": model.predict_proba(rows[:known])}
    else:
        graph.add("Reshape", [value, graph.constant(np.array([-1, 1], np.int64))], "variable")
        graph.output("variable", TensorProto.FLOAT, [None, 1])
        theirs = {"variable": model.predict(rows[:known]).reshape(-1, 1)}
    finite = rows[:known]  # ArgMax of NaN is whatever a build's loop makes of it
    m.case("perceptron", name, about, graph, {"X": finite}, theirs)


def naive_bayes(m, data, target):
    """Squares by Sub, Pow, Div and ReduceSum, then ReduceLogSumExp."""
    model = GaussianNB().fit(data, target)
    rows, known = ask(data)
    rows = rows[:known]
    graph = graphs.Graph(opset=17)
    wide = graph.add("Reshape", ["X", graph.constant(np.array([-1, 1, data.shape[1]], np.int64))])
    mean, var = (graph.constant(v[None].astype(np.float32)) for v in (model.theta_, model.var_))
    square = graph.add("Pow", [graph.add("Sub", [wide, mean]), graph.constant(np.array(2, np.float32))])
    total = graph.add("ReduceSum", [graph.add("Div", [square, var]), graph.constant(np.array([2], np.int64))], keepdims=0)
    half = graph.add("Mul", [total, graph.constant(np.array([-0.5], np.float32))])
    prior = np.log(model.class_prior_) - 0.5 * np.log(2 * np.pi * model.var_).sum(axis=1)
    joint = graph.add("Add", [half, graph.constant(prior[None].astype(np.float32))])
    norm = graph.add("ReduceLogSumExp", joint, axes=[1], keepdims=1)
    graph.add("Exp", graph.add("Sub", [joint, norm]), "probabilities")
    graph.add("ArgMax", joint, "label", axis=1, keepdims=0)
    graph.output("label", TensorProto.INT64, [None])
    graph.output("probabilities", TensorProto.FLOAT, [None, 3])
    m.case("naive_bayes", "gaussiannb", "Gaussian naive Bayes", graph, {"X": rows}, {"label": model.predict(rows), "probabilities": model.predict_proba(rows)})


def make(m):
    scale = lambda data: StandardScaler().fit_transform(data).astype(np.float32)  # noqa: E731
    cancer, malignant = load_breast_cancer(return_X_y=True)
    cancer = scale(cancer[:, :10])
    wine, kinds = load_wine(return_X_y=True)
    wine = scale(wine)
    iris, species = load_iris(return_X_y=True)
    iris = iris.astype(np.float32)
    names = np.array(load_iris().target_names.tolist(), dtype=object)[species]
    diabetes, progress = load_diabetes(return_X_y=True)
    diabetes = diabetes.astype(np.float32)
    logistic = {"max_iter": 1000}
    classifier(m, "logistic_regression", "logistic", "two classes", LogisticRegression(**logistic), cancer, malignant)
    classifier(m, "logistic_regression", "logisticstrings", "two classes with names", LogisticRegression(**logistic), iris[:100], names[:100])
    classifier(m, "logistic_regression", "logisticmulti", "three classes, multinomial", LogisticRegression(**logistic), wine, kinds)
    classifier(m, "logistic_regression", "logisticovr", "three classes, one against the rest", LogisticRegression(multi_class="ovr", **logistic), iris, species, ovr=True)
    classifier(m, "logistic_regression", "logisticmultistrings", "three classes with names", LogisticRegression(**logistic), iris, names)
    classifier(m, "logistic_regression", "logisticlabels", "labels 7 and -3", LogisticRegression(**logistic), cancer, np.where(malignant > 0, 7, -3))
    double_logistic(m, iris, species)
    classifier(m, "linear_svc", "linearsvc", "two classes", LinearSVC(dual=False), cancer, malignant, margins=True)
    classifier(m, "linear_svc", "linearsvcmulti", "three classes", LinearSVC(dual=False), wine, kinds, margins=True)
    classifier(m, "linear_svc", "ridgeclassifier", "ridge classifier of three classes", RidgeClassifier(), iris, species, margins=True)
    classifier(m, "linear_svc", "sgdhinge", "stochastic gradient descent, hinge", SGDClassifier(random_state=7), cancer, malignant, margins=True)
    regressor(m, "linear", "least squares", LinearRegression(), diabetes, progress)
    regressor(m, "ridge", "ridge", Ridge(), diabetes, progress)
    regressor(m, "lineartargets", "two targets", LinearRegression(), diabetes, np.stack([progress, progress**2], axis=1))
    regressor(m, "linearpoisson", "Poisson: Exp behind it", PoissonRegressor(max_iter=500), diabetes, progress, transform="EXP")
    perceptron(m, "mlp", "two classes, relu", MLPClassifier((6,), random_state=7, max_iter=400), cancer, malignant)
    perceptron(m, "mlpmulti", "three classes, tanh, two layers", MLPClassifier((5, 4), activation="tanh", random_state=7, max_iter=600), wine, kinds)
    perceptron(m, "mlpregressor", "regression, logistic activation", MLPRegressor((6,), activation="logistic", random_state=7, max_iter=400), diabetes, progress)
    naive_bayes(m, iris, species)
