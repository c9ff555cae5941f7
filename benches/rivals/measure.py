"""Timing and the folder that `make_models.py` wrote, shared by the rivals. Runs on CPython 3.9 too, for fasttreeshap."""

import contextlib
import io
import json
import statistics
import time
from pathlib import Path

import numpy as np


class Bench:
    """One model of the folder with its rows."""

    def __init__(self, folder, entry):
        self.folder, self.entry, self.name = Path(folder), entry, entry["name"]
        self.one = self.array("rows_one")
        self.many = self.array("rows_many")
        self.background = self.array("background")

    def array(self, key):
        """A matrix of the index; raw little-endian, row-major."""
        about = self.entry[key]
        return np.fromfile(self.folder / about["file"], dtype=about["dtype"]).reshape(about["shape"])

    def path(self, key):
        return self.folder / self.entry[key]

    def trees(self):
        return json.loads(self.path("trees").read_text())


def benches(folder, names):
    index = json.loads((Path(folder) / "index.json").read_text())
    return [Bench(folder, e) for e in index["models"] if not names or e["name"] in names]


def medians(call, budget):
    """Median wall and CPU seconds of `call(i)`; the first call warms up, and is the answer itself when it takes a whole `budget`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        first = timed(call, 0)
        if first[0] > budget:
            return first
        times, begin = [], time.perf_counter()
        while len(times) < 3 or (time.perf_counter() - begin < budget and len(times) < 300):
            times.append(timed(call, len(times) + 1))
    return tuple(statistics.median(column) for column in zip(*times))


def timed(call, i):
    wall, processor = time.perf_counter(), time.process_time()
    call(i)
    return time.perf_counter() - wall, time.process_time() - processor


def report(bench, library, what, rows, seconds, **more):
    """Prints one line; `cpu_us_per_row` is the figure that other load on the machine does not inflate. `more` is added to the line."""
    wall, processor = seconds
    line = {
        "model": bench.name,
        "library": library,
        "what": what,
        "rows": rows,
        "us_per_call": round(wall * 1e6, 2),
        "us_per_row": round(wall * 1e6 / rows, 3),
        "cpu_us_per_row": round(processor * 1e6 / rows, 3),
    }
    print(json.dumps(line | more if more else line), flush=True)


def one_and_many(bench, library, what, call, budget):
    """Reports `call(rows)` for single rows (64 in turn) and for a batch: 1000 rows, or as many as fit three budgets."""
    single = medians(lambda i: call(bench.one[i % 64 : i % 64 + 1]), budget)
    report(bench, library, what, 1, single)
    per_row = max(timed(lambda _: call(bench.many[:20]), 0)[1] - single[1], 0.0) / 19  # the fixed cost of a call stays out of the estimate
    rows = 1000 if per_row * 1000 <= 3 * budget else max(10, int(3 * budget / per_row))
    batch = bench.many[:rows]
    report(bench, library, what, rows, medians(lambda _: call(batch), budget))
