"""The goldens' format: what goes into a model and what the library answered.

NAME.golden.json stands beside the model files that it is for:

    {"family": "xgboost/dart", "about": "...", "library": "xgboost 3.0.0",
     "models": ["NAME.json", "NAME.ubj"],
     "inputs":  {"input": {"datatype": "FP32", "shape": [60, 4], "data": [...]}},
     "outputs": {"label": {...}, "probabilities": {...}},
     "reference": {"library": "scikit-learn 1.4.2", "rows": 50, "outputs": {...}}}

Data is row-major. A float is the shortest decimal that reads back as the same
float of its datatype; NaN, Infinity and -Infinity are strings. "reference", where
it is there, is what a second library answers for the first "rows" rows: the one
that the model was trained with, which counts in float64 and takes no NaN.
"whole" says that the rows do not stand for themselves: they are asked together.
"noise" is what rounding costs the library itself where a small score is the sum of
large terms: it is allowed beside the test's tolerance. "skip" names the outputs that
are not compared, and "about" says why.
"tolerance" in a reference, where it is there, is how far the first library is from it.
"""

import json
import pathlib

import numpy as np

DATATYPES = {
    "bool": "BOOL",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}


def _element(value, kind):
    if kind == "f":
        if np.isnan(value):
            return '"NaN"'
        if np.isinf(value):
            return '"Infinity"' if value > 0 else '"-Infinity"'
        text = np.format_float_scientific(value, unique=True, trim="-")
        plain = np.format_float_positional(value, unique=True, trim="-") if 1e-5 <= abs(value) < 1e9 or value == 0 else text
        return plain if len(plain) <= len(text) else text
    if kind == "b":
        return "1" if value else "0"
    if kind in "iu":
        return str(int(value))
    return json.dumps(str(value), ensure_ascii=True)


def tensor(array):
    """One tensor as JSON, a row a line."""
    array = np.asarray(array)
    datatype = DATATYPES.get(array.dtype.name, "BYTES")
    kind = array.dtype.kind if datatype != "BYTES" else "O"
    width = int(np.prod(array.shape[1:])) if array.ndim > 1 else 16
    flat = [_element(value, kind) for value in array.ravel()]
    width = max(width, 1)
    lines = [",".join(flat[i : i + width]) for i in range(0, len(flat), width)]
    return '{"datatype":"%s","shape":%s,"data":[\n%s]}' % (
        datatype,
        json.dumps(list(array.shape), separators=(",", ":")),
        ",\n".join(lines),
    )


def _tensors(arrays):
    return "{" + ",\n".join("%s:%s" % (json.dumps(name), tensor(a)) for name, a in arrays.items()) + "}"


def write(folder, name, models, family, about, library, inputs, outputs, reference=None, whole=False, noise=0, skip=()):
    """Write the model files and their goldens. models is {suffix: bytes}."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, data in models.items():
        (folder / (name + suffix)).write_bytes(data)
    head = {"family": family, "about": about, "library": library, "models": [name + s for s in models]}
    if whole:
        head["whole"] = True
    if noise:
        head["noise"] = noise
    if skip:
        head["skip"] = list(skip)
    text = json.dumps(head)[:-1] + ',\n"inputs":' + _tensors(inputs) + ',\n"outputs":' + _tensors(outputs)
    if reference:
        known = {k: v for k, v in reference.items() if k != "outputs"}
        text += ',\n"reference":' + json.dumps(known)[:-1] + ',"outputs":' + _tensors(reference["outputs"]) + "}"
    (folder / (name + ".golden.json")).write_text(text + "}\n")
