"""Time and quality of anchors for one row of packed models (credit, wine) in alibi, one thread, ONNX Runtime as the model.

    python anchors.py [--model NAME]... [--rows N] [--threshold P]

One JSON object per line and model: `model`, `library`, `what` ("anchors"), `rows` (1), `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians over
the first golden rows, each explained once), `threshold` (wanted precision), and the means over those rows of `length` (conditions of an
anchor), `precision` and `coverage` (as alibi estimates them), `precision_again` (share of 10,000 fresh perturbations under the anchor with the
row's class), `coverage_again` (share of the reference rows that meet the anchor), and `met`: the share of rows whose `precision_again` reaches
the threshold less 0.01.

A perturbation is a random reference row in which each feature of the anchor is replaced by a reference value that meets its condition.
alibi's own sampler, asked afresh, gives the same precision to 0.02; its search re-uses samples drawn for shorter anchors, so its estimate is
too high where few reference rows meet an anchor (wine). Numbers are in quartile bins of the reference rows. Needs `requirements-local.txt`.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
import logging
import re
import time
import warnings
from importlib.metadata import version

import numpy as np
from alibi.explainers import AnchorTabular

from measure import report
from subjects import Subject


def explainer(subject, seed=0):
    anchor = AnchorTabular(subject.classes, subject.features, categorical_names=subject.categories, seed=seed)
    return anchor.fit(subject.reference, disc_perc=(25, 50, 75))


def conditions(subject, explanation):
    """What the anchor holds fixed: feature position → the set of bins (numbers) or the one category that it allows.

    alibi tells an anchor only as texts with two decimals (`12.00 < duration <= 18.00`); each number stands for the nearest quartile.
    """
    allowed = {}
    for text in explanation.anchor:
        if " = " in text:
            name, category = text.split(" = ", 1)
            feature = subject.features.index(name)
            allowed[feature] = {subject.categories[feature].index(category)}
            continue
        low, name, high = re.fullmatch(r"(?:(\S+) < )?(\S+?)(?: (?:<=|>) (\S+))?", text).groups()
        if " > " in text:
            low, high = high, None
        feature = subject.features.index(name)
        edges = boundaries(subject, feature)
        nearest = lambda number: int(np.abs(edges - float(number)).argmin())  # noqa: E731
        allowed[feature] = set(range(0 if low is None else nearest(low) + 1, len(edges) + 1 if high is None else nearest(high) + 1))
    return allowed


def boundaries(subject, feature):
    """Quartiles of the reference rows; a value equal to one is in the bin below it."""
    return np.unique(np.percentile(subject.reference[:, feature], [25, 50, 75]))


def meets(subject, allowed, rows):
    """[rows, features] → for each condition, which rows meet it."""
    bins = lambda f: rows[:, f] if f in subject.categories else np.searchsorted(boundaries(subject, f), rows[:, f])  # noqa: E731
    return {f: np.isin(bins(f), list(values)) for f, values in allowed.items()}


def again(subject, row, allowed, count=10_000, seed=0):
    """Precision and coverage of an anchor, measured without alibi."""
    random = np.random.default_rng(seed)
    reference = subject.reference
    met = meets(subject, allowed, reference)
    rows = reference[random.integers(0, len(reference), count)]
    for feature, which in met.items():
        rows[:, feature] = random.choice(reference[which, feature], count)
    precision = np.mean(subject.classes(rows) == subject.classes(row[None])[0])
    return float(precision), float(np.mean(np.all(list(met.values()), axis=0))) if met else 1.0


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--rows", type=int, default=10)
    arguments.add_argument("--threshold", type=float, default=0.95)
    chosen = arguments.parse_args()
    for name in chosen.model or ("credit", "wine"):
        subject = Subject(name)
        anchor = explainer(subject)
        anchor.explain(subject.golden[-1], threshold=chosen.threshold)
        times, found = [], []
        for row in subject.golden[: chosen.rows]:
            begin = time.perf_counter(), time.process_time()
            explanation = anchor.explain(row, threshold=chosen.threshold)
            times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
            precision, coverage = again(subject, row, conditions(subject, explanation))
            found.append((len(explanation.anchor), explanation.precision, explanation.coverage, precision, coverage, precision >= chosen.threshold - 0.01))
        means = [round(float(v), 4) for v in np.mean(np.array(found, dtype=float), axis=0)]
        keys = ("length", "precision", "coverage", "precision_again", "coverage_again", "met")
        seconds = tuple(np.median(np.array(times), axis=0))
        report(subject, f"alibi {version('alibi')}", "anchors", 1, seconds, threshold=chosen.threshold, **dict(zip(keys, means)))


if __name__ == "__main__":
    main()
