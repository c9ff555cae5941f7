"""The packed models of `models/` as explainers of single rows want them: a matrix of numbers and a function of it.

Texts become the position in their category list. Runs on CPython 3.11 (alibi and dice-ml) and later; shared by `lime_tabular.py`,
`anchors.py`, `counterfactuals.py` and `tests/fixtures/local/make.py`.
"""

import csv
import json
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime as ort

MODELS = Path(__file__).resolve().parents[2] / "models"


class Subject:
    """One packed model with its reference rows and golden rows.

    `reference` and `golden` are [rows, features] in the recipe's order of features, `categories` maps the position of a text feature to its texts.
    """

    def __init__(self, name):
        folder = MODELS / name
        recipe = tomllib.loads((folder / "function.toml").read_text())
        self.name = name
        self.labels = recipe["output"]["labels"]
        with open(folder / recipe["data"]["path"], newline="") as file:
            rows = list(csv.DictReader(file))
        target = recipe["data"]["target"]
        self.features = [column for column in rows[0] if column != target]
        notes = recipe["features"]
        self.categories = {i: notes[f]["categories"] for i, f in enumerate(self.features) if "categories" in notes[f]}
        self.reference = self.encode(rows)
        self.answers = np.array([self.labels.index(row[target]) for row in rows])
        with open(folder / "golden.jsonl") as file:
            self.golden = self.encode([json.loads(line)["row"] for line in file])
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.inputs = [entry.name for entry in self.session.get_inputs()]

    def encode(self, rows):
        cell = lambda i, value: self.categories[i].index(value) if i in self.categories else float(value)  # noqa: E731
        return np.array([[cell(i, row[f]) for i, f in enumerate(self.features)] for row in rows], dtype=np.float64)

    def probabilities(self, rows):
        """[rows, features] → [rows, classes], by ONNX Runtime on one thread."""
        rows = np.asarray(rows)
        if len(self.inputs) == 1:
            feed = {self.inputs[0]: np.ascontiguousarray(rows, dtype=np.float32)}
        else:
            feed = {f: self.column(rows[:, i], i) for i, f in enumerate(self.features)}
        answer = self.session.run(None, feed)[1]
        if isinstance(answer, list):  # a ZipMap
            answer = [[row[label] for label in self.labels] for row in answer]
        return np.asarray(answer, dtype=np.float64)

    def column(self, values, i):
        if i in self.categories:
            return np.array(self.categories[i], dtype=object)[values.astype(int)].reshape(-1, 1)
        return values.astype(np.float32).reshape(-1, 1)

    def classes(self, rows):
        return self.probabilities(rows).argmax(axis=1)

    def row(self, values):
        """A row as a JSON object."""
        return {f: self.categories[i][int(values[i])] if i in self.categories else float(values[i]) for i, f in enumerate(self.features)}

    def deviations(self):
        """Median absolute deviation of each feature over the reference rows; 1 where it is 0 and for categories."""
        spread = np.median(np.abs(self.reference - np.median(self.reference, axis=0)), axis=0)
        spread[list(self.categories)] = 1.0
        return np.where(spread > 0, spread, 1.0)

    def distance(self, a, b):
        """Mean over features of |a - b| / MAD for numbers and of a ≠ b for categories (Mothilal et al. 2020, doi:10.1145/3351095.3372850)."""
        parts = np.abs(a - b) / self.deviations()
        for i in self.categories:
            parts[i] = float(a[i] != b[i])
        return float(parts.mean())

    def measures(self, row, counterfactuals):
        """What counterfactuals of `row` are judged by. `valid`: share with another class than the row; `changed`: mean number of changed
        features; `distance`: mean distance from the row; `diversity`: mean distance between two of them; `distinct`: number of different ones."""
        found = np.asarray(counterfactuals, dtype=np.float64)
        if len(found) == 0:
            return {"count": 0, "distinct": 0, "valid": 0.0}
        pairs = [self.distance(a, b) for a, b in combinations(found, 2)]
        return {
            "count": len(found),
            "distinct": len(np.unique(found, axis=0)),
            "valid": float(np.mean(self.classes(found) != self.classes(row[None])[0])),
            "changed": float(np.mean([np.sum(~np.isclose(c, row)) for c in found])),
            "distance": float(np.mean([self.distance(row, c) for c in found])),
            "diversity": float(np.mean(pairs)) if pairs else 0.0,
        }
