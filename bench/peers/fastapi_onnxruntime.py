#!/usr/bin/python3
"""A model behind FastAPI, as fast as that gets.

    fastapi_onnxruntime.py MODEL.onnx HOST PORT

uvicorn with uvloop and httptools and without an access log; orjson; ONNX Runtime on one
thread; nothing is validated, and no answer's type is declared, so that FastAPI neither
makes models of a request nor of an answer.
"""

import sys

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response


def make(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = ["label", "probabilities"]
    app = FastAPI(openapi_url=None)

    async def predict(request: Request):
        given = orjson.loads(await request.body())["inputs"][0]
        rows = np.array(given["data"], dtype=np.float32).reshape(given["shape"])
        label, probabilities = session.run(names, {"X": rows})
        answer = {"label": label, "probabilities": probabilities}
        return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    # A plain route: FastAPI's own wraps a handler in what solves dependencies, which
    # costs more than the prediction.
    app.add_route("/predict", predict, methods=["POST"])
    return app


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    uvicorn.run(
        make(sys.argv[1]), host=sys.argv[2], port=int(sys.argv[3]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
