"""Time of LIME for one row of packed models (credit, wine, breast-cancer) in `lime`, one thread, ONNX Runtime as the model.

    python lime_tabular.py [--model NAME]... [--samples N] [--budget SECONDS]

One JSON object per line: `model`, `library`, `what` ("lime quartiles": features in quartile bins, lime's default; "lime continuous": numbers
standardised), `rows` (1), `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians over the golden rows in turn), `samples` (evaluations of the
model per explanation) and `model_cpu_us`: the part of `cpu_us_per_row` that the model's own answer to that many rows takes. All features are kept
(`feature_selection="none"`), so no time goes into choosing some.

Needs `requirements-local.txt`.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
from importlib.metadata import version

import numpy as np
from lime.lime_tabular import LimeTabularExplainer

from measure import medians, report
from subjects import Subject


def explainer(subject, discretize, seed=0):
    return LimeTabularExplainer(
        subject.reference, feature_names=subject.features, class_names=subject.labels, categorical_features=list(subject.categories),
        categorical_names=subject.categories, discretize_continuous=discretize, feature_selection="none", random_state=seed,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--samples", type=int, default=5000)
    arguments.add_argument("--budget", type=float, default=3.0)
    chosen = arguments.parse_args()
    for name in chosen.model or ("credit", "wine", "breast-cancer"):
        subject = Subject(name)
        batch = np.resize(subject.reference, (chosen.samples, len(subject.features)))
        model_cpu_us = round(medians(lambda _: subject.probabilities(batch), chosen.budget / 3)[1] * 1e6, 2)
        for what, discretize in (("lime quartiles", True), ("lime continuous", False)):
            lime = explainer(subject, discretize)
            row = lambda i: subject.golden[i % len(subject.golden)]  # noqa: E731
            call = lambda i: lime.explain_instance(row(i), subject.probabilities, num_features=len(subject.features), num_samples=chosen.samples)  # noqa: E731
            report(subject, f"lime {version('lime')}", what, 1, medians(call, chosen.budget), samples=chosen.samples, model_cpu_us=model_cpu_us)


if __name__ == "__main__":
    main()
