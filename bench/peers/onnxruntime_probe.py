#!/usr/bin/python3
"""Time ONNX Runtime in its own process, on one thread, as bench/probe times ours.

    onnxruntime_probe.py MODEL.onnx ROWS.json

Each line "ROWS MILLISECONDS" on standard input is answered with the nanoseconds that a
call with that many rows takes: the median of samples of 100 microseconds or more, over
about that time. Both ways to call are timed in turns, and the better one counts: run
with a dictionary of arrays, and run_with_iobinding with inputs and outputs in place.
"""

import json
import statistics
import sys
import time

import numpy as np
import onnxruntime

NAMES = ["label", "probabilities"]
WINDOWS = 64  # how many different inputs take turns
SAMPLE = 100_000  # nanoseconds


def calls(session, rows, count):
    """The ways to call, each with a list of arguments that take turns."""
    starts = [i * count % (len(rows) - count + 1) for i in range(WINDOWS)]
    arrays = [np.ascontiguousarray(rows[start : start + count]) for start in starts]
    bindings = []
    for array in arrays:
        binding = session.io_binding()
        binding.bind_ortvalue_input("X", onnxruntime.OrtValue.ortvalue_from_numpy(array))
        binding.bind_ortvalue_output("label", onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(count, np.int64)))
        binding.bind_ortvalue_output("probabilities", onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((count, 2), np.float32)))
        bindings.append(binding)
    inputs = [{"X": array} for array in arrays]
    return [(lambda given: session.run(NAMES, given), inputs), (session.run_with_iobinding, bindings)]


def sample(call, arguments, repeats):
    """Nanoseconds of one call, over some repeats of all arguments."""
    begin = time.perf_counter_ns()
    for _ in range(repeats):
        for argument in arguments:
            call(argument)
    return (time.perf_counter_ns() - begin) / (repeats * len(arguments))


def main(model, path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with open(path) as file:
        rows = np.array(json.load(file)["rows"], dtype=np.float32)
    ways = {}
    for line in sys.stdin:
        count, milliseconds = map(int, line.split())
        if count not in ways:
            ways[count] = calls(session, rows, count)
        samples = [[] for _ in ways[count]]
        repeats = [max(1, round(SAMPLE / (sample(*way, 1) * WINDOWS))) for way in ways[count]]
        end = time.perf_counter_ns() + milliseconds * 1_000_000
        while time.perf_counter_ns() < end or not samples[0]:
            for i, way in enumerate(ways[count]):
                samples[i].append(sample(*way, repeats[i]))
        print(round(min(map(statistics.median, samples)), 1), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
