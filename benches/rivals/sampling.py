"""Error and time of estimated Shapley values in shap and shapiq on the 20-64-64-1 network, with 100 background rows, one thread.

    python sampling.py [--coalitions N]... [--seeds N] [--budget SECONDS] [--estimator TEXT]...

One JSON object per line: `model` ("network20"), `library`, `what` (the estimator), `runtime` ("onnxruntime" or "numpy": what answers the
network's rows), `rows` (1), `coalitions` (the budget; each is evaluated with all 100 background rows), `us_per_call`, `us_per_row`,
`cpu_us_per_row` (medians over the three rows in turn, model included), and `relative_error`: mean over the three rows and all seeds of
‖φ̂ - φ‖₂ / ‖φ‖₂ against the exact values of `tests/fixtures/sampling`, of the probability of class 1. `worst_error` is the largest of them.
`model_cpu_us`: the part of `cpu_us_per_row` that the network's own answers to so many rows take.

Estimators: shap's KernelExplainer as it comes (2088 coalitions, 10 features kept) and with l1_reg=0, PermutationExplainer, and those of shapiq.
`--estimator` keeps those whose name contains the text.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import shap
import shapiq

from measure import medians, report

SAMPLING = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "sampling"
SHAPIQ = {
    "KernelSHAP": {},
    "KernelSHAP paired": {"pairing_trick": True},
    "LeverageSHAP": {},
    "OddSHAP": {},
    "PolySHAP paired": {"pairing_trick": True},
    "RegressionMSR": {"index": "SV"},
    "ProxySHAP": {"index": "SV", "max_order": 1},
    "PermutationSamplingSV": {},
    "SVARM": {},
}


class Exact:
    """The network with its rows, background and exact values."""

    def __init__(self):
        about = json.loads((SAMPLING / "network20.json").read_text())
        array = lambda entry: np.array(entry["data"]).reshape(entry["shape"])  # noqa: E731
        self.rows = array(about["rows"]).astype(np.float32)
        self.background = array(about["background"]).astype(np.float32)
        self.values = array(about["probability"]["values"])[:, :, 0]
        path = SAMPLING / "network20.onnx"
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        weights = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
        layers = [(weights["coefficient" if i == 0 else f"coefficient{i}"], weights["intercepts" if i == 0 else f"intercepts{i}"]) for i in range(3)]

        def dense(rows):
            hidden = np.asarray(rows, dtype=np.float32)
            for matrix, bias in layers[:2]:
                hidden = np.maximum(hidden @ matrix + bias, 0)
            return 1 / (1 + np.exp(-(hidden @ layers[2][0] + layers[2][1])[:, 0]))

        # shap hands over double precision; the conversion is part of what it costs
        self.runtimes = {"onnxruntime": lambda rows: session.run(None, {"X": np.asarray(rows, dtype=np.float32)})[1][:, 1], "numpy": dense}
        gap = np.abs(dense(self.background) - self.runtimes["onnxruntime"](self.background)).max()
        if not gap < 1e-5:
            raise SystemExit(f"numpy and ONNX Runtime differ by {gap}")

    def errors(self, estimate, seeds):
        """Relative errors of `estimate(row, seed)`."""
        values = [(np.ravel(estimate(row, seed)), exact) for row, exact in zip(self.rows, self.values) for seed in range(seeds)]
        return [float(np.linalg.norm(found - exact) / np.linalg.norm(exact)) for found, exact in values]


class Coalitions(shapiq.Game):
    """The game of one row: mean answer over the background with the absent features taken from it."""

    def __init__(self, answer, row, background):
        self.answer, self.row, self.background = answer, row, background
        empty = float(answer(background).mean())
        super().__init__(n_players=len(row), normalize=True, normalization_value=empty)

    def value_function(self, coalitions):
        mixed = np.where(coalitions[:, None, :], self.row, self.background[None])
        return self.answer(mixed.reshape(-1, len(self.row))).reshape(len(coalitions), -1).mean(axis=1)


def shap_peers(exact, answer, budgets):
    """(name, coalitions, estimate(row, seed))."""

    def kernel(row, seed, **keywords):
        np.random.seed(seed)
        return kernel_explainer.shap_values(row[None], silent=True, **keywords)

    def permutation(row, seed, evaluations):
        explainer = shap.explainers.Permutation(answer, masker, seed=seed)
        return explainer(row[None], max_evals=evaluations, silent=True).values

    kernel_explainer = shap.KernelExplainer(answer, exact.background)
    masker = shap.maskers.Independent(exact.background, max_samples=len(exact.background))
    yield "KernelExplainer", 2088, kernel
    for budget in budgets:
        yield "KernelExplainer l1_reg=0", budget, lambda row, seed, n=budget: kernel(row, seed, nsamples=n, l1_reg=0)
    for budget in budgets:
        evaluations = budget // 41 * 41  # one permutation there and back takes 2 · 20 + 1
        yield "PermutationExplainer", evaluations, lambda row, seed, n=evaluations: permutation(row, seed, n)


def shapiq_peers(exact, answer, budgets):
    for name, keywords in SHAPIQ.items():
        kind = getattr(shapiq.approximator, name.split()[0])
        for budget in budgets:

            def estimate(row, seed, kind=kind, keywords=keywords, budget=budget):
                game = Coalitions(answer, row, exact.background)
                return kind(n=len(row), random_state=seed, **keywords).approximate(budget, game).get_n_order_values(1)

            yield name, budget, estimate


def main():
    warnings.filterwarnings("ignore")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--coalitions", type=int, action="append", default=[])
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--budget", type=float, default=0.5)
    arguments.add_argument("--estimator", action="append", default=[])
    chosen = arguments.parse_args()
    exact = Exact()
    for runtime, answer in exact.runtimes.items():
        for library, peers in ((f"shap {shap.__version__}", shap_peers), (f"shapiq {shapiq.__version__}", shapiq_peers)):
            for name, coalitions, estimate in peers(exact, answer, chosen.coalitions or (200, 500, 1000, 2088, 5000)):
                if chosen.estimator and not any(text in name for text in chosen.estimator):
                    continue
                line = {"runtime": runtime, "coalitions": coalitions}
                try:
                    if runtime == "onnxruntime":  # the error does not depend on who multiplies the matrices
                        errors = exact.errors(estimate, chosen.seeds)
                        line |= {"relative_error": round(float(np.mean(errors)), 5), "worst_error": round(max(errors), 5)}
                    batch = np.resize(exact.background, (coalitions * len(exact.background), exact.background.shape[1]))
                    line["model_cpu_us"] = round(medians(lambda _: answer(batch), chosen.budget / 4)[1] * 1e6, 2)
                    seconds = medians(lambda i: estimate(exact.rows[i % 3], i), chosen.budget)
                except Exception as error:  # a peer that cannot do it is part of the comparison
                    reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    print(json.dumps({"model": "network20", "library": library, "what": name, **line, "refused": reason}), flush=True)
                    continue
                report(SimpleNamespace(name="network20"), library, name, 1, seconds, **line)


if __name__ == "__main__":
    main()
