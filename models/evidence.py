"""What every `train.py` leaves behind besides the model: reference rows, golden answers, and a check of the written figures."""

import json
import math
import tomllib
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pandas as pd


def background_rows(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """The packer's background: `count` evenly spaced rows, row `floor(i * n / count)` for each `i`."""
    return frame.iloc[[i * len(frame) // count for i in range(count)]]


def write_reference(folder: Path, features: pd.DataFrame, target: str, answers) -> pd.DataFrame:
    """Writes `reference.csv` and returns its features as read back, so that all later numbers come from the file."""
    features.assign(**{target: answers}).to_csv(folder / "reference.csv", index=False, lineterminator="\n")
    return pd.read_csv(folder / "reference.csv", keep_default_na=False)[list(features.columns)]


def session(model: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])


def enumerate_coalitions(margin: Callable[[np.ndarray], np.ndarray], row: np.ndarray, background: np.ndarray, players: list[list[int]]) -> np.ndarray:
    """Exact interventional Shapley values by definition: all 2^n coalitions of `players`, absent ones taken from each background row.

    `row` is [columns], `background` [rows, columns]; a player is the list of columns that it moves together. `margin` maps
    [rows, columns] to [rows]. Returns [players].
    """
    n = len(players)
    value = {}
    for size in range(n + 1):
        for coalition in combinations(range(n), size):
            mixed = background.copy()
            columns = [c for player in coalition for c in players[player]]
            mixed[:, columns] = row[columns]
            value[frozenset(coalition)] = margin(mixed).mean()
    phi = np.zeros(n)
    for coalition, v in value.items():
        s = len(coalition)
        for i in range(n):
            if i in coalition:
                phi[i] += v * math.factorial(s - 1) * math.factorial(n - s) / math.factorial(n)
            else:
                phi[i] -= v * math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n)
    return phi


def write_golden(folder: Path, rows: pd.DataFrame, labels, values, margins, base, attributions, explainer: str) -> None:
    """Writes `golden.jsonl`: one held-out row per line with its expected answer.

    `labels` [rows] or None for a regressor; `values` [rows, outputs]; `margins` [rows, margin outputs]; `base` [margin outputs];
    `attributions` [rows, features, margin outputs]. `base + Σ attributions = margin` is checked to 1e-5.
    """
    gap = np.abs(np.asarray(base) + attributions.sum(axis=1) - margins).max()
    if not gap < 1e-5 * max(1.0, np.abs(margins).max()):
        raise SystemExit(f"{folder.name}: base + attributions miss the margin by {gap}")
    with open(folder / "golden.jsonl", "w") as file:
        for i in range(len(rows)):
            line = {
                "row": json.loads(rows.iloc[i].to_json(double_precision=15)),
                "label": None if labels is None else labels[i],
                "values": [float(v) for v in values[i]],
                "margin": [float(v) for v in margins[i]],
                "base": [float(v) for v in base],
                "attributions": {name: [float(v) for v in attributions[i, f]] for f, name in enumerate(rows.columns)},
                "explainer": explainer,
            }
            file.write(json.dumps(line, allow_nan=False) + "\n")


def check_figures(folder: Path, measured: dict[str, float]) -> None:
    """Stops when recipe or README tell other held-out metrics than the model just reached."""
    print(folder.name, measured)
    recipe = tomllib.loads((folder / "function.toml").read_text())
    readme = (folder / "README.md").read_text()
    for name, value in measured.items():
        told = recipe["metrics"].get(name)
        if told != value:
            raise SystemExit(f"{folder.name}/function.toml says {name} = {told}, the held-out rows give {value}")
        if f"| {name} | {value} |" not in readme:
            raise SystemExit(f"{folder.name}/README.md lacks the line `| {name} | {value} |`")


def rounded(value: float) -> float:
    return round(float(value), 4)
