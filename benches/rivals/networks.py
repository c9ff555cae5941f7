"""Time of a prediction with ONNX Runtime on one thread for networks: dense, convolutional, tabular with embeddings.

    python networks.py [--model NAME]... [--budget SECONDS]

Models: `network20` (20-64-64-1, `tests/fixtures/sampling`) and `network10`, `digits` and `credit-network` (`models/`). One JSON object per line:
`model`, `library`, `what` ("predict"), `rows` (1 and 1000; 1 and 100 for `digits`), `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians; single
rows are taken in turn). The inputs are arrays before the clock starts.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort

from measure import medians, report
from subjects import MODELS, Subject

SAMPLING = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "sampling"


def dense(name):
    """A network of `tests/fixtures/sampling` with its background rows."""
    about = json.loads((SAMPLING / f"{name}.json").read_text())["background"]
    rows = np.array(about["data"], dtype=np.float32).reshape(about["shape"])
    return SAMPLING / f"{name}.onnx", {"X": rows}, 1000


def digits():
    return MODELS / "digits" / "model.onnx", {"image": np.load(MODELS / "digits" / "reference.npy")}, 100


def credit():
    subject = Subject("credit-network")
    columns = {f: subject.column(subject.reference[:, i], i) for i, f in enumerate(subject.features)}
    return MODELS / "credit-network" / "model.onnx", columns, 1000


NETWORKS = {"network20": lambda: dense("network20"), "network10": lambda: dense("network10"), "digits": digits, "credit-network": credit}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", action="append", choices=list(NETWORKS), default=[])
    arguments.add_argument("--budget", type=float, default=1.0)
    chosen = arguments.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    for name in chosen.model or NETWORKS:
        path, inputs, many = NETWORKS[name]()
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        count = len(next(iter(inputs.values())))
        ones = [{key: rows[i : i + 1] for key, rows in inputs.items()} for i in range(min(count, 64))]
        batch = {key: np.resize(rows, (many, *rows.shape[1:])) for key, rows in inputs.items()}
        for rows, feeds in ((1, ones), (many, [batch])):
            seconds = medians(lambda i: session.run(None, feeds[i % len(feeds)]), chosen.budget)
            report(SimpleNamespace(name=name), f"onnxruntime {ort.__version__}", "predict", rows, seconds)


if __name__ == "__main__":
    main()
