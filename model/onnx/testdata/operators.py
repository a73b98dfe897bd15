"""Writes operators.json: graphs of one operator each, and ONNX Runtime's answers.

    OUT=model/onnx/testdata scripts/python.sh trixie python3 model/onnx/testdata/operators.py

Every case is written with all inputs left to the request, and, where it has more than
one, again with all but the first in the file.
"""

import base64
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

NAN, INF = np.nan, np.inf
DATATYPES = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64",
}
cases, skipped = [], []


def f32(*x): return np.array(x, np.float32)
def f64(*x): return np.array(x, np.float64)
def i64(*x): return np.array(x, np.int64)
def i32(*x): return np.array(x, np.int32)
def texts(*x): return np.array(x, object)
def bools(*x): return np.array(x, bool)


def element(x):
    if isinstance(x, (np.floating, float)):
        if np.isnan(x):
            return "NaN"
        if np.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        return float(x)
    if isinstance(x, np.bool_):
        return int(x)
    if isinstance(x, np.integer):
        return int(x)
    return str(x)


def tensor(a):
    a = np.asarray(a)
    return {"datatype": DATATYPES.get(a.dtype.name, "BYTES"), "shape": list(a.shape),
            "data": [element(x) for x in a.ravel()]}


def element_type(a):
    if a.dtype == object:
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(a.dtype)


def add(name, op, inputs, domain="", opset=None, outputs=1, fixed_only=False, **attributes):
    inputs = [None if x is None else np.asarray(x) for x in inputs]
    opset = opset or (3 if domain else 18)
    variants = [] if fixed_only else [("", 0)]
    if len([x for x in inputs if x is not None]) > 1:
        variants.append((", rest in the file", 1))
    for suffix, free in variants:
        names = ["" if x is None else "x%d" % i for i, x in enumerate(inputs)]
        results = ["y%d" % i for i in range(outputs)]
        node = helper.make_node(op, names, results, domain=domain, **{k: v for k, v in attributes.items() if v is not None})
        graph_inputs, initializers = [], []
        for i, x in enumerate(inputs):
            if x is None:
                continue
            if free == 0 or i < free:
                shape = ["d%d_%d" % (i, j) for j in range(x.ndim)]
                graph_inputs.append(helper.make_tensor_value_info(names[i], element_type(x), shape))
            elif x.dtype == object:
                initializers.append(helper.make_tensor(names[i], TensorProto.STRING, x.shape, [s.encode() for s in x.ravel()]))
            else:
                initializers.append(numpy_helper.from_array(x, names[i]))
        graph = helper.make_graph([node], "g", graph_inputs, [onnx.ValueInfoProto(name=r) for r in results], initializers)
        imports = [helper.make_opsetid("", 18 if domain else opset)]
        if domain:
            imports.append(helper.make_opsetid(domain, opset))
        model = helper.make_model(graph, opset_imports=imports, ir_version=9)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        feed = {names[i]: x for i, x in enumerate(inputs) if x is not None and (free == 0 or i < free)}
        try:
            session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            answers = session.run(None, feed)
        except Exception as e:  # what the runtime has no kernel for proves nothing
            skipped.append("%s%s: %s" % (name, suffix, str(e).splitlines()[0][:150]))
            continue
        # An exporter says how many dimensions an output has, and so does this.
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info(r, element_type(np.asarray(a)), ["r%d" % j for j in range(np.ndim(a))])
                                  for r, a in zip(results, answers))
        cases.append({
            "name": op + ": " + name + suffix, "model": base64.b64encode(model.SerializeToString()).decode(),
            "inputs": {k: tensor(v) for k, v in feed.items()},
            "outputs": {r: tensor(a) for r, a in zip(results, answers)},
        })


ml = "ai.onnx.ml"
X = np.array([[1, -2, 3.5], [0, 0, 0], [-1e-40, 1e30, 0.1], [4, NAN, -INF]], np.float32)
Y = np.array([[0.5, 2, -3], [1, 0, 7], [2, 2, 2], [-1, 3, 0.25]], np.float32)
Z = np.array([[1, -2, 3], [0, 5, -7], [9, 9, 9]])
T = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

for op in ["Add", "Sub", "Mul", "Div", "Min", "Max"]:
    # What the larger of NaN and a number is depends there on the order.
    W = np.nan_to_num(X, nan=3.0) if op in ("Min", "Max") else X
    for a, b in [(W, Y), (W, Y[0]), (W, Y[:, :1]), (Y[0], W), (W, np.float32(2)), (W, np.zeros((4, 1), np.float32)),
                 (T, T[:, :1, :]), (T[:, :, :1], T[0])]:
        add("%s %s" % (a.shape, np.shape(b)), op, [a, b])
    add("int64", op, [Z, i64(2, -3, 4)])
    add("int32", op, [Z.astype(np.int32), i32(2, -3, 4)])
    add("double", op, [X.astype(np.float64), Y.astype(np.float64)])
add("int32 overflow", "Mul", [i32(2**30, -2**31), i32(4, 3)])
add("three", "Max", [X, Y, Y[0]])
add("three", "Sum", [X, Y, Y[0]])
add("one", "Min", [X])
for d in ["float32", "float64", "int64", "int32"]:
    add(d, "Pow", [np.abs(Y).astype(d), np.array([2, 3, 0]).astype(d)])
    add(d + " to double", "Pow", [np.array([4, 9, 1]).astype(d), f64(0.5, 2, 3)])
    add(d + " to int64", "Pow", [np.array([4, -3, 1]).astype(d), i64(2, 3, 0)])
add("negative base", "Pow", [f32(-8, -2, 0), f32(1 / 3, 2, 0)])
add("sign of divisor", "Mod", [i64(7, -7, 7, -7), i64(3, 3, -3, -3)])
add("fmod int", "Mod", [i64(7, -7, 7, -7), i64(3, 3, -3, -3)], fmod=1)
add("fmod float", "Mod", [f32(5.3, -5.3, 5.3), f32(2, 2, -2)], fmod=1)
for op in ["Neg", "Abs", "Sqrt", "Exp", "Log", "Sigmoid", "Tanh", "Relu", "Floor", "Ceil", "Sign", "Erf", "Reciprocal",
           "Softplus", "Sin", "Cos"]:
    # Its Erf of NaN is 1.
    add("float", op, [f32(-2.5, -0.5, -0.0, 0, 0.5, 1, 100, -100, 7 if op == "Erf" else NAN, INF, -INF)])
    add("double", op, [f64(-2.5, -0.5, 0, 0.5, 1)])
    add("int64", op, [i64(-3, 0, 4)])
add("halves", "Round", [f32(0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6)])
add("halves", "Round", [f64(0.5, 1.5, 2.5, -0.5, -1.5)])
for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
    add("float", op, [X, X[2]])
    add("int64", op, [Z, i64(1, 5, -7)])
    add("NaN", op, [f32(NAN, 1, INF), f32(NAN, NAN, INF)])
add("texts", "Equal", [texts("a", "b", ""), texts("a", "c", "")], opset=19)
add("bool", "Equal", [bools(True, False), bools(True, True)])
for op in ["And", "Or", "Xor"]:
    add("broadcast", op, [np.array([[True], [False]]), bools(True, False)])
add("bool", "Not", [bools(True, False)])
add("float", "IsNaN", [f32(1, NAN, INF)])
add("float", "IsInf", [f32(1, NAN, INF, -INF)])
add("positive", "IsInf", [f32(1, NAN, INF, -INF)], detect_negative=0)
add("float", "Where", [X > 0, X, Y])
add("broadcast", "Where", [np.array([[True], [False]]), f32(1, 2, 3), np.float32(0)])
add("texts", "Where", [bools(True, False), texts("a", "b"), texts("c", "d")])
add("int64", "Where", [bools(True, False), i64(1, 2), i64(3, 4)])
add("both", "Clip", [X, np.float32(-1), np.float32(2)])
add("low", "Clip", [X, np.float32(-1)])
add("high", "Clip", [X, None, np.float32(2)])
add("crossed", "Clip", [f32(1, 2, 3, 4), np.float32(3), np.float32(2)])
add("int64", "Clip", [Z, np.int64(-1), np.int64(2)])
add("attributes", "Clip", [X], opset=6, min=-1.0, max=2.0)

floats = [-1e30, -3.7, -0.5, -0.0, 0, 0.4, 1, 2.5, 1e10, 123456.789, 1e-5, 0.1, 65504, 65519.9, 70000, NAN, INF, -INF]
for to in [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING,
           TensorProto.FLOAT16]:
    name = TensorProto.DataType.Name(to)
    whole = to in (TensorProto.INT64, TensorProto.INT32)
    few = [x for x in floats if not whole or abs(x) < 1e9]
    add("float to " + name, "Cast", [f32(*few)], to=to)
    add("double to " + name, "Cast", [f64(*few)], to=to)
    add("int64 to " + name, "Cast", [i64(-5, 0, 1, 2**40 + 1, 2**62 + 1)], to=to)
    add("bool to " + name, "Cast", [bools(True, False)], to=to)
    add("text to " + name, "Cast", [texts("1", "-7", "42")], to=to)
    add("half to " + name, "Cast", [np.array([1.5, -0.25, 6e-8, 0], np.float16)], to=to)
for to in [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64]:
    add("int64 to " + TensorProto.DataType.Name(to), "Cast", [i64(-5, 0, 1, 200, 70000)], to=to)
add("text to float", "Cast", [texts("1.5", "-1e3", "NaN", "0.1")], to=TensorProto.FLOAT)

for target in [[6, 4], [-1, 4], [0, -1], [0, 0, 2, 2], [24], [2, 3, 4, 1]]:
    add(str(target), "Reshape", [T, i64(*target)])
add("allowed zero", "Reshape", [np.zeros((0, 3), np.float32), i64(3, 0)], allowzero=1)
add("texts", "Reshape", [texts("a", "b"), i64(-1, 1)])
for axis in [0, 1, 2, 3, -1]:
    add(str(axis), "Flatten", [T], axis=axis)
add("axes", "Squeeze", [T[:, :1], i64(1)])
add("negative", "Squeeze", [T[:, :, :1], i64(-1)])
add("all", "Squeeze", [T[:1, :, :1]])
add("attribute", "Squeeze", [T[:, :1]], opset=11, axes=[1])
add("axes", "Unsqueeze", [T, i64(0, -1)])
add("attribute", "Unsqueeze", [Y], opset=11, axes=[1])
add("rows", "Concat", [X, Y], axis=0)
add("columns", "Concat", [X, Y[:, :1], Y], axis=-1)
add("middle", "Concat", [T, T[:, :2]], axis=1)
add("texts", "Concat", [np.array([["a"], ["b"]], object), np.array([["c", "d"], ["e", "f"]], object)], axis=1)
for args in [([1], [3], None, None), ([0, 0], [2, 2], [0, 2], None), ([-1], [-100], [1], [-1]), ([0], [1000], [2], [2]),
             ([3], [0], [2], [-2]), ([2], [1], [1], None), ([-2], [2**62], [-1], None)]:
    add(str(args), "Slice", [T] + [None if a is None else i64(*a) for a in args])
add("attributes", "Slice", [T], opset=9, starts=[0, 1], ends=[1, 3], axes=[1, 2])
add("texts", "Slice", [texts("a", "b", "c"), i64(1), i64(3)])
add("even", "Split", [T], outputs=2, axis=2, num_outputs=2)
add("uneven", "Split", [T], outputs=3, axis=2, num_outputs=3)
add("sizes", "Split", [T, i64(1, 2)], outputs=2, axis=1)
add("attribute", "Split", [T], outputs=2, axis=1, split=[1, 2], opset=11)
add("axis 0", "Gather", [X, i64(2, 0, -1)])
add("axis 1", "Gather", [X, i64(2, 0)], axis=1)
add("matrix of indices", "Gather", [T, np.array([[0, 2], [1, 1]])], axis=1)
add("scalar", "Gather", [T, np.int64(1)], axis=-1)
add("int32", "Gather", [i64(5, 6, 7), i32(2, 1)])
add("texts", "Gather", [texts("a", "b", "c"), i64(2, 0)])
add("axis 1", "GatherElements", [Y, np.array([[0], [2], [-1], [1]])], axis=1)
add("axis 0", "GatherElements", [Y, np.array([[0, 3, 1], [2, 2, 2]])], axis=0)
add("default", "Transpose", [T])
add("perm", "Transpose", [T], perm=[1, 0, 2])
add("row", "Expand", [f32(1, 2, 3), i64(2, 3)])
add("less", "Expand", [np.ones((2, 1, 3), np.float32), i64(4, 1)])
add("texts", "Expand", [texts("a"), i64(2, 2)])
add("both", "Tile", [np.array([[1, 2], [3, 4]], np.float32), i64(2, 3)])
add("int64", "Tile", [i64(1, 2), i64(2)])
for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2", "ReduceL1", "ReduceProd",
           "ReduceLogSum", "ReduceLogSumExp"]:
    V = T / 7 + 0.5
    for axes in [[0], [1], [-1], [0, 2], [0, 1, 2]]:
        add(str(axes), op, [V, i64(*axes)])
    add("flat", op, [V, i64(1)], keepdims=0)
    add("all", op, [V])
    add("empty axes", op, [V, np.zeros(0, np.int64)], noop_with_empty_axes=1)
    add("attribute", op, [V], opset=11, axes=[1], keepdims=0)
    add("int64", op, [Z, i64(1)])
    add("double", op, [V.astype(np.float64), i64(1)])
for op in ["ArgMax", "ArgMin"]:
    W = np.array([[1, 3, 3], [2, 0, 0], [5, 5, 5]], np.float32)
    for axis in [0, 1, -1]:
        add("axis %d" % axis, op, [W], axis=axis)
    add("flat", op, [W], axis=1, keepdims=0)
    add("last", op, [W], axis=1, select_last_index=1)
    add("int64", op, [Z], axis=1)
    add("double", op, [W.astype(np.float64)], axis=1)
W = np.array([[1, 3, 3, -2], [2, 0, 0, 9]], np.float32)
add("largest", "TopK", [W, i64(3)], outputs=2)
add("smallest", "TopK", [W, i64(2)], outputs=2, largest=0)
add("axis 0", "TopK", [W, i64(1)], outputs=2, axis=0)
add("int64", "TopK", [Z, i64(2)], outputs=2)
for a, b in [(Y, Y.T), (Y, f32(1, 2, 3)), (f32(1, 2, 3, 4), Y), (f32(1, 2, 3), f32(4, 5, 6)), (T, T[0].T), (T, T.transpose(0, 2, 1)),
             (np.stack([T, T]), T.transpose(0, 2, 1))]:
    add("%s %s" % (a.shape, b.shape), "MatMul", [a, b])
add("double", "MatMul", [Y.astype(np.float64), Y.T.astype(np.float64)])
add("int64", "MatMul", [Z, Z])
A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(12, dtype=np.float32).reshape(3, 4) - 5
for trans_a in [0, 1]:
    for trans_b in [0, 1]:
        a, b = A.T.copy() if trans_a else A, B.T.copy() if trans_b else B
        for c in [None, f32(1, 2, 3, 4), np.float32(7), np.array([[1], [2]], np.float32), np.ones((2, 4), np.float32)]:
            add("%d%d %s" % (trans_a, trans_b, np.shape(c)), "Gemm", [a, b] + ([] if c is None else [c]), transA=trans_a, transB=trans_b,
                alpha=0.5, beta=2.0)
for op in ["Softmax", "LogSoftmax"]:
    for opset in [11, 13]:
        for axis in [None, 0, 1, -1]:
            add("axis %s, opset %d" % (axis, opset), op, [T / 3], opset=opset, axis=axis)
    add("large", op, [f32(1000, 1001, -1000)[None]])
    add("double", op, [Y.astype(np.float64)])
add("float", "ConstantOfShape", [i64(2, 3)], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.5]))
add("int64", "ConstantOfShape", [i64(4)], value=helper.make_tensor("v", TensorProto.INT64, [1], [7]))
add("default", "ConstantOfShape", [i64(2)])
add("all", "Shape", [T])
add("part", "Shape", [T], start=1, end=-1)
add("all", "Size", [T])
add("float", "Range", [np.float32(1), np.float32(4), np.float32(0.75)])
add("down", "Range", [np.int64(5), np.int64(0), np.int64(-2)])
add("texts", "Identity", [texts("a", "b")])

for x in [Y, Y.astype(np.float64), Z, Z.astype(np.int32)]:
    d = x.dtype.name
    add(d, "Scaler", [x], ml, 1, offset=[0.5, -1.0, 0.1], scale=[2.0, 0.3, 1 / 3])
    add(d + ", one", "Scaler", [x], ml, 1, offset=[0.5], scale=[0.1])
    for norm in ["MAX", "L1", "L2"]:
        add(d + " " + norm, "Normalizer", [x], ml, 1, norm=norm)
    add(d, "Binarizer", [x], ml, 1, threshold=0.5)
for norm in ["MAX", "L1", "L2"]:
    add("zero row " + norm, "Normalizer", [np.array([[0, 0], [-1, -3], [3, -4]], np.float32)], ml, 1, norm=norm)
    add("one dimension " + norm, "Normalizer", [f32(3, 4)], ml, 1, norm=norm)
add("NaN", "Imputer", [X], ml, 1, imputed_value_floats=[9.0, 8.0, 7.0], replaced_value_float=NAN)
add("zero, one value", "Imputer", [X], ml, 1, imputed_value_floats=[9.0], replaced_value_float=0.0)
add("int64", "Imputer", [Z], ml, 1, imputed_value_int64s=[1, 2, 3], replaced_value_int64=9)
add("int64", "OneHotEncoder", [i64(1, 5, 3, 7)[:, None]], ml, 1, cats_int64s=[3, 1, 7])
add("float", "OneHotEncoder", [f32(1, 5, 3.7, 7)], ml, 1, cats_int64s=[3, 1, 7])
add("texts", "OneHotEncoder", [np.array([["a", "b"], ["x", "a"]], object)], ml, 1, cats_strings=["a", "b", "c"])
add("known only", "OneHotEncoder", [texts("a", "c")], ml, 1, cats_strings=["a", "b", "c"], zeros=0)
add("texts to places", "LabelEncoder", [texts("a", "z", "b")], ml, 1, classes_strings=["a", "b"])
add("places to texts", "LabelEncoder", [i64(1, 0, 5)], ml, 1, classes_strings=["a", "b"], default_string="?")
keys = {"string": (["a", "b"], texts("a", "z", "b")), "int64": ([3, 4], i64(3, 9, 4)),
        "float": ([0.5, 2.0], f32(0.5, 7, 2, NAN))}
values = {"string": ["u", "v"], "int64": [8, 9], "float": [0.25, 0.75]}
for opset in [2, 4]:
    for k, (names, x) in keys.items():
        for v, to in values.items():
            if opset == 2 and k == v and k != "string":
                pass
            add("%s to %s, opset %d" % (k, v, opset), "LabelEncoder", [x], ml, opset, **{"keys_%ss" % k: names, "values_%ss" % v: to})
            default = {"string": "none", "int64": 77, "float": 7.5}[v]
            add("%s to %s, default, opset %d" % (k, v, opset), "LabelEncoder", [x], ml, opset,
                **{"keys_%ss" % k: names, "values_%ss" % v: to, "default_%s" % v: default})
    add("NaN key, opset %d" % opset, "LabelEncoder", [f32(1, NAN)], ml, opset, keys_floats=[NAN, 1.0], values_int64s=[5, 6])
    add("equal keys, opset %d" % opset, "LabelEncoder", [i64(1, 2)], ml, opset, keys_int64s=[1, 1], values_int64s=[5, 6])
add("tensors", "LabelEncoder", [f64(1, 2, NAN)], ml, 4, keys_tensor=numpy_helper.from_array(f64(NAN, 2)),
    values_tensor=numpy_helper.from_array(f64(10, 20)), default_tensor=numpy_helper.from_array(f64(-1)))
add("columns", "ArrayFeatureExtractor", [Y, i64(2, 0, 2)], ml, 1)
add("one dimension", "ArrayFeatureExtractor", [f32(5, 6, 7), i64(1)], ml, 1)
add("three dimensions", "ArrayFeatureExtractor", [T, np.array([[1, 3]])], ml, 1)
add("texts", "ArrayFeatureExtractor", [texts("a", "b"), i64(1, 0)], ml, 1)
add("two", "FeatureVectorizer", [Y, Y[:, :2]], ml, 1, inputdimensions=[3, 2])
add("cut and filled", "FeatureVectorizer", [Y, Y[:, :1]], ml, 1, inputdimensions=[2, 3])
add("int64", "FeatureVectorizer", [Z], ml, 1, inputdimensions=[3])
add("to int64", "CategoryMapper", [texts("a", "x")], ml, 1, cats_strings=["a", "b"], cats_int64s=[10, 20])
add("to texts", "CategoryMapper", [i64(20, 1)], ml, 1, cats_strings=["a", "b"], cats_int64s=[10, 20], default_string="?")

posts = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
P = np.array([[0.3, 0.2, 0.1], [0.05, 0.4, 0.2], [0.5, 0.1, 0.1], [0, 0, 0]], np.float32)
for post in posts:
    for x in [P, P.astype(np.float64), Z[:, :3]]:
        if post == "PROBIT" and x.dtype != np.float32:
            continue
        add("three classes %s %s" % (post, x.dtype.name), "LinearClassifier", [x], ml, 1, outputs=2, post_transform=post,
            coefficients=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.3, 0.2, 0.1], intercepts=[0.1, 0.2, 0.3], classlabels_ints=[3, 5, 7])
    add("two classes " + post, "LinearClassifier", [P], ml, 1, outputs=2, post_transform=post,
        coefficients=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], intercepts=[0.2, 0.1], classlabels_strings=["no", "yes"])
    if post != "PROBIT":
        add("one score " + post, "LinearClassifier", [P], ml, 1, outputs=2, post_transform=post,
            coefficients=[0.1, -0.9, 0.3], intercepts=[0.1], classlabels_ints=[0, 1])
    add("two targets " + post, "LinearRegressor", [P], ml, 1, post_transform=post, targets=2,
        coefficients=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], intercepts=[0.2, 0.1])
    add("one target " + post, "LinearRegressor", [P], ml, 1, post_transform=post, coefficients=[0.1, 0.2, 0.3], intercepts=[0.2])
add("no intercept", "LinearRegressor", [P], ml, 1, coefficients=[0.1, 0.2, 0.3])

rng = np.random.RandomState(7)
vectors = rng.randn(7, 3).astype(np.float32)
for kernel in ["LINEAR", "POLY", "RBF", "SIGMOID"]:
    params = [0.3, 0.1, 3.0]
    add(kernel, "SVMRegressor", [Y], ml, 1, kernel_type=kernel, kernel_params=params, n_supports=7,
        support_vectors=vectors.ravel().tolist(), coefficients=rng.randn(7).tolist(), rho=[0.2])
    add(kernel + " one class", "SVMRegressor", [Y], ml, 1, kernel_type=kernel, kernel_params=params, n_supports=7,
        support_vectors=vectors.ravel().tolist(), coefficients=rng.randn(7).tolist(), rho=[0.2], one_class=1)
    for classes, per in [(2, [3, 4]), (3, [2, 3, 2])]:
        pairs = classes * (classes - 1) // 2
        for proba in [False, True]:
            for post in ["NONE", "LOGISTIC", "SOFTMAX"]:
                extra = {"prob_a": (-1 - rng.rand(pairs)).tolist(), "prob_b": rng.randn(pairs).tolist()} if proba else {}
                add("%s, %d classes, %s %s" % (kernel, classes, post, "probabilities" if proba else ""), "SVMClassifier", [Y], ml, 1,
                    outputs=2, kernel_type=kernel, kernel_params=params, vectors_per_class=per, post_transform=post,
                    support_vectors=vectors.ravel().tolist(), coefficients=rng.randn(7 * (classes - 1)).tolist(),
                    rho=rng.randn(pairs).tolist(), classlabels_ints=list(range(10, 10 + classes)), **extra)
add("linear regressor", "SVMRegressor", [Y], ml, 1, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], n_supports=0,
    coefficients=[0.1, 0.2, 0.3], rho=[0.2])
for labels in [["a", "b"], ["a", "b", "c"]]:
    add("linear %d classes" % len(labels), "SVMClassifier", [Y], ml, 1, outputs=2, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0],
        coefficients=rng.randn(3 * len(labels)).tolist(), rho=[0.2], classlabels_strings=labels)

# Two trees: a chain of three splits, and a leaf of its own. Thresholds are met exactly.
NODES = dict(nodes_treeids=[0] * 7 + [1], nodes_nodeids=[0, 1, 2, 3, 4, 5, 6, 0], nodes_featureids=[0, 1, 0, 2, 0, 0, 0, 0],
             nodes_values=[0.5, 2, 0, -3, 0, 0, 0, 0], nodes_truenodeids=[1, 3, 0, 5, 0, 0, 0, 0],
             nodes_falsenodeids=[2, 4, 0, 6, 0, 0, 0, 0])
LEAVES = [2, 4, 5, 6]
R = np.concatenate([Y, [[0.5, 2, -3], [0.5, -2, -3], [NAN, 2, -3], [0.5, NAN, -3], [0, 0, NAN], [-0.0, 1e-45, 3e38]]]).astype(np.float32)


def nodes(modes=("BRANCH_LEQ",) * 3, tracks=None):
    a, b, c = modes
    d = dict(NODES, nodes_modes=[a, b, "LEAF", c, "LEAF", "LEAF", "LEAF", "LEAF"])
    if b == "BRANCH_EQ":  # small whole numbers beside others it mistakes
        d["nodes_values"] = [0.5, -2, 0, -3, 0, 0, 0, 0]
    if tracks:
        d["nodes_missing_value_tracks_true"] = tracks
    return d


def as_tensors(d):
    return {(k + "_as_tensor" if k in ("nodes_values", "class_weights", "target_weights", "base_values") else k):
            (numpy_helper.from_array(np.array(v)) if k in ("nodes_values", "class_weights", "target_weights", "base_values") else v)
            for k, v in d.items()}


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
for mode in MODES:
    for tracks in [None, [1] * 8, [1, 0, 0, 0, 0, 0, 0, 0]]:
        for x in [R, R.astype(np.float64)]:
            add("%s %s %s" % (mode, x.dtype, tracks), "TreeEnsembleRegressor", [x], ml, 1, target_treeids=[0] * 4 + [1],
                target_nodeids=LEAVES + [0], target_ids=[0] * 5, target_weights=[1.0, 2.0, 4.0, 8.0, 0.5], n_targets=1,
                **nodes((mode,) * 3, tracks))
add("mixed", "TreeEnsembleRegressor", [R], ml, 1, target_treeids=[0] * 4 + [1], target_nodeids=LEAVES + [0], target_ids=[0] * 5,
    target_weights=[1.0, 2.0, 4.0, 8.0, 0.5], n_targets=1, **nodes(("BRANCH_GT", "BRANCH_NEQ", "BRANCH_LT")))
add("int64", "TreeEnsembleRegressor", [Z], ml, 1, target_treeids=[0] * 4 + [1], target_nodeids=LEAVES + [0], target_ids=[0] * 5,
    target_weights=[1.0, 2.0, 4.0, 8.0, 0.5], n_targets=1, **nodes())
for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
    for post in posts:
        # (Every target gets a weight: without one its answer is without the base value.)
        for base in [None, [0.125], [0.25, 0.5]]:
            if base is None or len(base) == 1:
                add("one %s %s %s" % (aggregate, post, base), "TreeEnsembleRegressor", [R], ml, 1, target_treeids=[0] * 4 + [1],
                    target_nodeids=LEAVES + [0], target_ids=[0] * 5, target_weights=[0.1, 0.2, 0.3, 0.4, 0.05], n_targets=1,
                    aggregate_function=aggregate, post_transform=post, base_values=base, **nodes())
            if base is None or len(base) == 2:
                add("two %s %s %s" % (aggregate, post, base), "TreeEnsembleRegressor", [R], ml, 1, target_treeids=[0] * 5 + [1] * 2,
                    target_nodeids=LEAVES + [2, 0, 0], target_ids=[0, 1, 0, 1, 1, 0, 1],
                    target_weights=[0.1, 0.2, 0.3, 0.4, 0.05, 0.15, 0.12],
                    n_targets=2, aggregate_function=aggregate, post_transform=post, base_values=base, **nodes())
add("tensors", "TreeEnsembleRegressor", [R.astype(np.float64)], ml, 3, **as_tensors(dict(
    nodes(), target_treeids=[0] * 4 + [1], target_nodeids=LEAVES + [0], target_ids=[0] * 5,
    target_weights=[0.1, 0.2, 0.3, 0.4, 0.05], n_targets=1, base_values=[0.1])))
for post in posts:
    for weights in [[0.1, 0.2, 0.6, 0.55, 0.0], [-0.1, 0.2, 0.6, 0.3, -0.15]]:
        for base in [None, [0.125]]:
            if post != "PROBIT":  # of which it leaves the second column as it was
                add("one sum %s %s %s" % (post, weights[0], base), "TreeEnsembleClassifier", [R], ml, 1, outputs=2,
                    class_treeids=[0] * 4 + [1], class_nodeids=LEAVES + [0], class_ids=[0] * 5, class_weights=weights,
                    post_transform=post, base_values=base, classlabels_int64s=[7, 9], **nodes())
    for base in [None, [0.1, 0.2, -0.3]]:
        for labels in [dict(classlabels_int64s=[5, 3, 9]), dict(classlabels_strings=["c", "a", "b"])]:
            add("three sums %s %s" % (post, base), "TreeEnsembleClassifier", [R], ml, 1, outputs=2,
                class_treeids=[0] * 8 + [1] * 3, class_nodeids=LEAVES * 2 + [0] * 3, class_ids=[0, 1, 2, 0, 1, 2, 0, 1, 0, 1, 2],
                class_weights=[0.1, 0.2, 0.3, 0.4, 0.05, 0.15, 0.3, 0.4, 0.1, 0.1, 0.1], post_transform=post, base_values=base,
                **labels, **nodes())
add("ties", "TreeEnsembleClassifier", [R], ml, 1, outputs=2, class_treeids=[0] * 4 + [1] * 3, class_nodeids=LEAVES + [0] * 3,
    class_ids=[0, 1, 2, 0, 0, 1, 2], class_weights=[0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5], classlabels_int64s=[0, 1, 2], **nodes())
add("votes of a tenth", "TreeEnsembleClassifier", [R], ml, 1, outputs=2, class_treeids=[0] * 4 + [1], class_nodeids=LEAVES + [0],
    class_ids=[0] * 5, class_weights=[0.1, 0.4, 0.4, 0.1, 0.1], classlabels_int64s=[0, 1], **nodes())
add("tensors", "TreeEnsembleClassifier", [R.astype(np.float64)], ml, 3, outputs=2, **as_tensors(dict(
    nodes(), class_treeids=[0] * 4 + [1], class_nodeids=LEAVES + [0], class_ids=[0] * 5, class_weights=[-0.1, 0.2, 0.3, 0.4, 0.05],
    classlabels_int64s=[0, 1], post_transform="LOGISTIC")))
for d in [np.float32, np.float64]:
    def t(*x): return numpy_helper.from_array(np.array(x, d))
    for aggregate in [0, 1, 2, 3]:
        add("%s %d" % (d.__name__, aggregate), "TreeEnsemble", [R.astype(d)], ml, 5, n_targets=2, aggregate_function=aggregate,
            nodes_featureids=[0, 1, 2, 0], nodes_splits=t(0.5, 2, -3, 1), nodes_modes=numpy_helper.from_array(np.array([0, 1, 3, 4], np.uint8)),
            nodes_truenodeids=[1, 0, 2, 4], nodes_trueleafs=[0, 1, 1, 1], nodes_falsenodeids=[2, 1, 3, 5], nodes_falseleafs=[0, 1, 1, 1],
            nodes_missing_value_tracks_true=[1, 0, 1, 0], leaf_targetids=[0, 1, 0, 1, 0, 1], leaf_weights=t(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
            tree_roots=[0, 3])
    # (Sets of small whole numbers: it mistakes them beside sets of others.)
    add(d.__name__ + " members", "TreeEnsemble", [R.astype(d)], ml, 5, n_targets=1, nodes_featureids=[0, 1], nodes_splits=t(0, 0),
        nodes_modes=numpy_helper.from_array(np.array([6, 6], np.uint8)), nodes_truenodeids=[1, 0], nodes_trueleafs=[0, 1],
        nodes_falsenodeids=[2, 1], nodes_falseleafs=[1, 1], leaf_targetids=[0, 0, 0], leaf_weights=t(1, 2, 4),
        membership_values=t(1, 2, NAN, 2, 3, NAN), tree_roots=[0])

with open(os.path.join(os.environ.get("OUT_FOLDER", "/out"), "operators.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), "cases;", len(skipped), "that the runtime has no answer to:", file=sys.stderr)
for s in skipped:
    print("  ", s, file=sys.stderr)
