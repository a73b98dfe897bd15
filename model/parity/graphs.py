"""ONNX graphs as skl2onnx lays them out, and ONNX Runtime's answers to them.

skl2onnx is not in Debian, so its graphs are written here: the same operators with
the same attributes in the same order, from the trained estimator.
"""

import pathlib

import numpy as np
import onnx
import sklearn
from onnx import TensorProto, helper, numpy_helper

import golden

ML = "ai.onnx.ml"
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(bool): TensorProto.BOOL,
    np.dtype(object): TensorProto.STRING,
}


def kind(array):
    return TYPES.get(np.asarray(array).dtype, TensorProto.STRING)


class Graph:
    """A graph that grows from its inputs to its outputs, by the names of values."""

    def __init__(self, opset=15, ml=3):
        self.nodes, self.constants, self.outputs = [], [], []
        self.opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
        self.count = 0

    def name(self, base):
        self.count += 1
        return "%s%d" % (base, self.count)

    def add(self, op, inputs, outputs=None, domain="", **attributes):
        """Add a node; returns the name of its output, or its list of outputs."""
        single = outputs is None or isinstance(outputs, str)
        if outputs is None:
            outputs = self.name(op.lower())
        names = [outputs] if isinstance(outputs, str) else outputs
        inputs = [inputs] if isinstance(inputs, str) else inputs
        self.nodes.append(helper.make_node(op, inputs, names, name=self.name("n"), domain=domain, **attributes))
        return names[0] if single else names

    def ml(self, op, inputs, outputs=None, **attributes):
        return self.add(op, inputs, outputs, domain=ML, **attributes)

    def constant(self, array):
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def output(self, name, elem=None, shape=None):
        """Declare an output; without elem its type is left to inference."""
        value = onnx.ValueInfoProto(name=name)
        if elem is not None:
            value = helper.make_tensor_value_info(name, elem, shape)
        self.outputs.append(value)

    def sequence_of_maps(self, name, key):
        value = onnx.ValueInfoProto(name=name)
        value.type.sequence_type.elem_type.map_type.key_type = key
        value.type.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
        self.outputs.append(value)

    def bytes(self, inputs, free=True):
        """The model; inputs are {name: example}, whose first dimension is free."""
        infos = []
        for name, example in inputs.items():
            shape = list(np.shape(example))
            if free and shape:
                shape[0] = None
            infos.append(helper.make_tensor_value_info(name, kind(example), shape))
        graph = helper.make_graph(self.nodes, "model", infos, self.outputs, initializer=self.constants)
        model = helper.make_model(graph, producer_name="skl2onnx", producer_version="1.17.0", ir_version=8, opset_imports=self.opsets)
        return model.SerializeToString(deterministic=True)


def runtime(data, inputs):
    """ONNX Runtime's answers, on one thread, by the names of the outputs."""
    import onnxruntime  # here: whoever only writes graphs may be where it is not

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def dense(value):
    """What a list of maps holds, as the tensor that it was made from."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([list(row.values()) for row in value], dtype=np.float32)
    return np.asarray(value)


class Maker:
    """Asks ONNX Runtime and writes one case after the other."""

    def __init__(self, out, folder):
        import onnxruntime

        self.folder = pathlib.Path(out) / folder
        self.library = "onnxruntime " + onnxruntime.__version__
        self.failed = []

    def case(self, family, name, about, graph, inputs, reference=None, free=True, whole=False, noise=0, skip=()):
        """reference is what scikit-learn answers for the first rows, {output: array};
        noise is what rounding costs ONNX Runtime where a small score is a sum of large
        terms; skip names outputs that are not compared."""
        data = graph if isinstance(graph, bytes) else graph.bytes(inputs, free)
        outputs = {k: dense(v) for k, v in runtime(data, inputs).items()}
        known = None
        if reference:
            reference = {k: np.asarray(v) for k, v in reference.items()}
            first = next(iter(reference.values()))
            known = {"library": "scikit-learn " + sklearn.__version__, "rows": len(first), "outputs": reference}
            tolerance = max(gap(name, k, outputs[k], v) for k, v in reference.items())
            if tolerance > 0:
                known["tolerance"] = tolerance
        golden.write(self.folder, name, {".onnx": data}, "onnx/" + family, about, self.library, inputs, outputs, known, whole=whole, noise=noise, skip=skip)


def gap(name, output, ours, theirs):
    """How far the two libraries are from each other, where that is more than is
    allowed of a reader: ONNX Runtime counts in float32, scikit-learn in float64.
    With a third on top, as one more digit of float32 may round the other way."""
    ours = ours[: len(theirs)]
    if ours.shape != theirs.shape:
        raise SystemExit("%s: %s is %s, and of scikit-learn %s" % (name, output, ours.shape, theirs.shape))
    if ours.dtype.kind != "f":
        if (ours != theirs).any():
            raise SystemExit("%s: %s differs from scikit-learn in rows %s" % (name, output, np.flatnonzero(ours != theirs)))
        return 0
    d = np.abs(ours.astype(np.float64) - theirs)
    allowed = 1e-6 if "probabilit" in output else 1e-7 + 1e-5 * np.abs(theirs)
    if np.nanmax(d / allowed) <= 0.5:
        return 0
    tolerance = float("%.1e" % (4 / 3 * np.nanmax(d / np.maximum(1, np.abs(theirs)))))
    if tolerance > 1e-5:
        raise SystemExit("%s: ONNX Runtime's %s is %.2g from scikit-learn's: the graph is not the estimator" % (name, output, np.nanmax(d)))
    print("%s: ONNX Runtime's %s is %.2g from scikit-learn's: tolerance %g" % (name, output, np.nanmax(d), tolerance))
    return tolerance
