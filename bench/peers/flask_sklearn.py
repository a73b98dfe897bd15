"""A model behind Flask as most people put it there first.

    gunicorn --workers 1 --bind HOST:PORT 'flask_sklearn:make("MODEL.pickle")'

It takes the body of the Open Inference Protocol and answers with no more than a label
and its probabilities.
"""

import pickle

import numpy as np
from flask import Flask, jsonify, request


def make(path):
    with open(path, "rb") as file:
        model = pickle.load(file)
    app = Flask(__name__)

    @app.post("/predict")
    def predict():
        given = request.get_json()["inputs"][0]
        rows = np.array(given["data"], dtype=np.float32).reshape(given["shape"])
        probabilities = model.predict_proba(rows)
        return jsonify(label=probabilities.argmax(axis=1).tolist(), probabilities=probabilities.tolist())

    return app
