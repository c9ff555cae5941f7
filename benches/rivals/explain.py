"""Time of exact tree attributions in the Python peers on one thread, for the models of `make_models.py`.

    python explain.py DIR [--model NAME]... [--library NAME]... [--budget SECONDS]

Libraries: shap, shapiq, xgboost, lightgbm (the default), fasttreeshap (needs its own environment). One JSON object per line:
`model`, `library`, `what` ("path-dependent" or "interventional"), `rows`, `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians). Where 1000 rows
would take longer than the budget there are fewer; a peer that refuses a model gives `{"model", "library", "what", "refused"}`.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
import json
import warnings

import numpy as np

from measure import benches, one_and_many


def native(bench):
    """The model as its own library loads it; plain trees for the forest."""
    if bench.entry["native"] is None:
        return None
    if bench.entry["native"].endswith(".txt"):
        import lightgbm

        return lightgbm.Booster(model_file=str(bench.path("native")))
    import xgboost

    return xgboost.Booster(model_file=str(bench.path("native")), params={"nthread": 1})


def plain_trees(bench):
    """`make_models.py`'s trees as the dictionaries that shap, and fasttreeshap after it, take for a model."""
    forest = []
    for tree in bench.trees():
        leaf = np.array(tree["feature"]) < 0
        threshold = np.array(tree["threshold"])
        if tree["comparison"] == "<":
            threshold = np.nextafter(threshold.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
        forest.append({
            "children_left": np.where(leaf, -1, tree["left"]).astype(np.int32),
            "children_right": np.where(leaf, -1, tree["right"]).astype(np.int32),
            "children_default": np.where(leaf, -1, tree["left"]).astype(np.int32),
            "features": np.where(leaf, -2, tree["feature"]).astype(np.int32),
            "feature": np.where(leaf, -2, tree["feature"]).astype(np.int32),
            "thresholds": threshold,
            "threshold": threshold,
            "values": np.array(tree["value"])[:, None],
            "value": np.array(tree["value"])[:, None],
            "node_sample_weight": np.array(tree["cover"], dtype=np.float64),
        })
    return {"trees": forest, "base_offset": bench.entry["base"]}


def shap_peer(bench):
    import shap

    library = f"shap {shap.__version__}"
    for what, keywords in (("path-dependent", {}), ("interventional", {"data": bench.background, "feature_perturbation": "interventional"})):
        yield library, what, lambda keywords=keywords: shap_call(shap, bench, keywords)


def shap_call(shap, bench, keywords):
    explainer = shap.TreeExplainer(native(bench) or plain_trees(bench), **keywords)
    explainer.model.model_type = "internal"  # shap's own C extension, not the booster's code
    check(bench, explainer.shap_values(bench.one, check_additivity=False), keywords)
    return lambda rows: explainer.shap_values(rows, check_additivity=False)


def shapiq_peer(bench):
    import shapiq

    library = f"shapiq {shapiq.__version__}"
    for what, keywords in (("path-dependent", {}), ("interventional", {"mode": "interventional", "reference_dataset": bench.background})):
        yield library, what, lambda keywords=keywords: shapiq_call(shapiq, bench, keywords)


def shapiq_call(shapiq, bench, keywords):
    explainer = shapiq.TreeExplainer(native(bench) or sklearn_forest(bench), index="SV", max_order=1, min_order=1, **keywords)
    values = [explainer.explain(row).get_n_order_values(1) for row in bench.one[:4]]
    check(bench, np.array(values), keywords)
    return lambda rows: explainer.explain(rows[0]) if len(rows) == 1 else explainer.explain_X(rows)


def sklearn_forest(bench):
    """The forest trained again: shapiq takes no plain trees. Same data, parameters and seed as `make_models.py`."""
    from make_models import data_sets
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(100, max_depth=10, n_jobs=1, random_state=0).fit(*data_sets()[bench.name.split("-")[0]])


def xgboost_peer(bench):
    import xgboost

    if bench.name.endswith("xgb"):
        booster = native(bench)
        yield f"xgboost {xgboost.__version__}", "path-dependent", lambda: (
            lambda rows: booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
        )


def lightgbm_peer(bench):
    import lightgbm

    if bench.name.endswith("lgb"):
        booster = native(bench)
        yield f"lightgbm {lightgbm.__version__}", "path-dependent", lambda: (
            lambda rows: booster.predict(rows, pred_contrib=True, num_threads=1)
        )


def fasttreeshap_peer(bench):
    import fasttreeshap

    for algorithm in ("v1", "v2"):
        yield f"fasttreeshap {fasttreeshap.__version__} {algorithm}", "path-dependent", lambda a=algorithm: fast_call(fasttreeshap, bench, a)


def fast_call(fasttreeshap, bench, algorithm):
    explainer = fasttreeshap.TreeExplainer(plain_trees(bench), algorithm=algorithm, n_jobs=1, feature_perturbation="tree_path_dependent")
    check(bench, explainer.shap_values(bench.one, check_additivity=False), {})
    return lambda rows: explainer.shap_values(rows, check_additivity=False)


def check(bench, values, keywords):
    """A peer is only timed when it computes the same thing."""
    truth = bench.array("interventional" if keywords else "path_dependent")
    gap = np.abs(np.asarray(values).reshape(-1, truth.shape[1]) - truth[: len(values)]).max()
    if not gap < 1e-3:
        raise ValueError(f"its values differ from the reference by {gap:.3g}")


PEERS = {"shap": shap_peer, "shapiq": shapiq_peer, "xgboost": xgboost_peer, "lightgbm": lightgbm_peer, "fasttreeshap": fasttreeshap_peer}


def main():
    warnings.filterwarnings("ignore")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--library", action="append", choices=list(PEERS), default=[])
    arguments.add_argument("--budget", type=float, default=1.0)
    chosen = arguments.parse_args()
    for bench in benches(chosen.folder, chosen.model):
        for key in chosen.library or ("shap", "shapiq", "xgboost", "lightgbm"):
            for library, what, prepare in PEERS[key](bench):
                try:
                    one_and_many(bench, library, what, prepare(), chosen.budget)
                except Exception as error:  # a peer that cannot do it is part of the comparison
                    reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    print(json.dumps({"model": bench.name, "library": library, "what": what, "refused": reason}), flush=True)


if __name__ == "__main__":
    main()
