"""Time and quality of four counterfactuals for one row of the credit models in dice-ml, one thread, ONNX Runtime as the model.

    python counterfactuals.py [--model NAME]... [--method genetic|random]... [--rows N] [--constrained]

One JSON object per line, model and method: `model`, `library`, `what` ("counterfactuals genetic", "counterfactuals random"; with `--constrained`
the same plus " constrained"), `rows` (1), `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians over the first golden rows, each explained once
after a warm-up), `evaluations` (mean number of rows that the model was asked for), `failed` (share of rows without any answer), and means over
the answered rows: `count` and `distinct` (of 4), `valid` (share with the other class, asked of the model again), `changed` (features per
counterfactual), `distance` (mean over features of |change| / MAD, or 1 for a changed category) and `diversity` (the same distance between
pairs). MAD: median absolute deviation over the reference rows.

Constrained: age and sex stay, `duration` from 4 to 72, `credit_amount` from 250 to 20,000; `allowed` is the share of counterfactuals that keep to it.
Needs `requirements-local.txt`.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
import contextlib
import io
import random
import time
import warnings
from importlib.metadata import version

import dice_ml
import numpy as np
import pandas as pd

from measure import report
from subjects import Subject

IMMUTABLE = ("age", "sex")
RANGES = {"duration": [4, 72], "credit_amount": [250, 20000]}


class Counted:
    """The model as dice-ml asks for it: frames in, probabilities out; counts rows."""

    def __init__(self, subject):
        self.subject, self.rows = subject, 0
        self.classes_ = np.arange(len(subject.labels))

    def encode(self, frame):
        self.rows += len(frame)
        columns = [
            [self.subject.categories[i].index(v) for v in frame[f]] if i in self.subject.categories else frame[f].astype(float)
            for i, f in enumerate(self.subject.features)
        ]
        return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)

    def predict_proba(self, frame):
        return self.subject.probabilities(self.encode(frame))

    def predict(self, frame):
        return self.predict_proba(frame).argmax(axis=1)


class Search:
    """dice-ml's search over one packed model."""

    def __init__(self, subject, method, constrained):
        np.random.seed(0)  # dice-ml draws from both global generators
        random.seed(0)
        self.subject = subject
        self.model = Counted(subject)
        numbers = [f for i, f in enumerate(subject.features) if i not in subject.categories]
        data = dice_ml.Data(dataframe=self.frame(subject.reference).assign(answer=subject.answers), continuous_features=numbers, outcome_name="answer")
        self.dice = dice_ml.Dice(data, dice_ml.Model(model=self.model, backend="sklearn"), method=method)
        self.keywords = {"total_CFs": 4, "desired_class": "opposite", "verbose": False}
        if method == "random":
            self.keywords["random_seed"] = 0
        if constrained:
            self.keywords["features_to_vary"] = [f for f in subject.features if f not in IMMUTABLE]
            self.keywords["permitted_range"] = RANGES

    def frame(self, rows):
        """Rows as a frame: integers stay integers, categories are texts."""
        table = pd.DataFrame([self.subject.row(r) for r in rows], columns=self.subject.features)
        for i, feature in enumerate(self.subject.features):
            if i not in self.subject.categories and np.all(self.subject.reference[:, i] % 1 == 0):
                table[feature] = table[feature].astype(int)
        return table

    def __call__(self, row):
        """The counterfactuals of a row, encoded; none when dice-ml gives up."""
        query = self.frame(row[None])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = self.dice.generate_counterfactuals(query, **self.keywords).cf_examples_list[0].final_cfs_df
            except dice_ml.utils.exception.UserConfigValidationException:  # "no counterfactuals found"
                found = None
        return np.empty((0, len(row))) if found is None else self.model.encode(found)


def allowed(subject, row, found):
    """Share of counterfactuals that keep to `IMMUTABLE` and `RANGES`."""
    kept = np.ones(len(found), dtype=bool)
    for i, feature in enumerate(subject.features):
        if feature in IMMUTABLE:
            kept &= found[:, i] == row[i]
        elif feature in RANGES:
            kept &= (found[:, i] >= RANGES[feature][0]) & (found[:, i] <= RANGES[feature][1])
    return {"allowed": float(kept.mean())}


def main():
    warnings.filterwarnings("ignore")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--method", action="append", choices=("genetic", "random"), default=[])
    arguments.add_argument("--rows", type=int, default=10)
    arguments.add_argument("--constrained", action="store_true")
    chosen = arguments.parse_args()
    for name in chosen.model or ("credit",):
        subject = Subject(name)
        for method in chosen.method or ("genetic", "random"):
            search = Search(subject, method, chosen.constrained)
            search(subject.golden[-1])
            times, found, search.model.rows = [], [], 0
            for row in subject.golden[: chosen.rows]:
                begin = time.perf_counter(), time.process_time()
                found.append((row, search(row)))
                times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
            more = allowed if chosen.constrained else lambda *_: {}
            answered = [subject.measures(row, c) | more(subject, row, c) for row, c in found if len(c)]
            means = {key: round(float(np.mean([m[key] for m in answered])), 4) for key in answered[0]}
            what = f"counterfactuals {method}{' constrained' if chosen.constrained else ''}"
            report(
                subject, f"dice-ml {version('dice-ml')}", what, 1, tuple(np.median(np.array(times), axis=0)),
                evaluations=round(search.model.rows / chosen.rows, 1), failed=1 - len(answered) / chosen.rows, **means,
            )


if __name__ == "__main__":
    main()
