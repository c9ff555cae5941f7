"""Time of ONNX Runtime on one thread for the networks of tests/fixtures/networks.

    python onnxruntime_networks.py DIR

One JSON object per line: `model`, `rows`, `us_per_call` (median of short runs, so that a busy machine shows least).
"""

import one_thread  # noqa: F401  isort: skip
import json
import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime as ort

SUBJECTS = [("dense", 1), ("dense", 1000), ("digits", 1), ("digits", 100)]


def main():
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    for name, rows in SUBJECTS:
        path = pathlib.Path(sys.argv[1]) / f"{name}.onnx"
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        info = session.get_inputs()[0]
        rng = np.random.default_rng(1)
        feeds = {info.name: rng.normal(size=(rows, *info.shape[1:])).astype(np.float32)}
        session.run(None, feeds)
        times, started = [], time.perf_counter()
        while time.perf_counter() - started < 2 and len(times) < 20_000:
            start = time.perf_counter()
            session.run(None, feeds)
            times.append(time.perf_counter() - start)
        print(json.dumps({"model": name, "rows": rows, "us_per_call": statistics.median(times) * 1e6}))


main()
