"""Trains the benchmark's models and writes them, their rows and reference explanations into a folder.

    python make_models.py DIR

`index.json` lists the models. For each: `native` (LightGBM text or XGBoost JSON; absent for the forest), `onnx`, `trees` (the
same trees as plain JSON arrays, with covers), and matrices `{"file", "dtype", "shape"}`, raw, little-endian, row-major:
`rows_one` [64, 20] and `rows_many` [1000, 20] (f32), `background` [100, 20] (f32), `margin` [1000] (f64: raw score of
`rows_many`), `path_dependent` and `interventional` [64, 20] (f64: `shap` on `rows_one`) with `path_dependent_base` and
`interventional_base`.

`trees`: a list of `{"feature", "threshold", "comparison", "left", "right", "value", "cover"}`; `feature` is -1 in a leaf;
a row goes left when `x[feature] <comparison> threshold`. The margin is `base` + the sum of the leaves' values.
"""

import one_thread  # noqa: F401  isort: skip
import json
import sys
from importlib.metadata import version
from pathlib import Path

import lightgbm as lgb
import numpy as np
import onnxmltools
import shap
import xgboost as xgb
from onnxmltools.convert.common.data_types import FloatTensorType as BoosterFloats
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestRegressor

KEYS = ("feature", "threshold", "left", "right", "value", "cover")


def data_sets():
    regression, target = make_regression(10000, 20, n_informative=12, noise=10.0, random_state=0)
    classes, label = make_classification(10000, 20, n_informative=12, n_redundant=4, random_state=0)
    return {"reg20": (regression.astype(np.float32), (target / target.std()).astype(np.float32)), "cls20": (classes.astype(np.float32), label)}


def some_rows(x, count, seed):
    return np.ascontiguousarray(x[np.random.RandomState(seed).randint(0, len(x), count)])


def table(nodes, comparison):
    """Nodes as tuples in the order of `KEYS`, as columns."""
    return {"comparison": comparison} | dict(zip(KEYS, (list(column) for column in zip(*nodes))))


def lightgbm_trees(model):
    def visit(node, nodes):
        position = len(nodes)
        nodes.append(None)
        if "split_feature" not in node:
            nodes[position] = (-1, 0.0, 0, 0, node["leaf_value"], node.get("leaf_count", 1))
        else:
            left, right = visit(node["left_child"], nodes), visit(node["right_child"], nodes)
            nodes[position] = (node["split_feature"], node["threshold"], left, right, 0.0, node["internal_count"])
        return position

    forest = []
    for tree in model.booster_.dump_model()["tree_info"]:
        nodes = []
        visit(tree["tree_structure"], nodes)
        forest.append(table(nodes, "<="))
    return forest


def xgboost_trees(model):
    def visit(node, nodes):
        position = len(nodes)
        nodes.append(None)
        if "leaf" in node:
            nodes[position] = (-1, 0.0, 0, 0, node["leaf"], node["cover"])
        else:
            children = {c["nodeid"]: c for c in node["children"]}
            left, right = visit(children[node["yes"]], nodes), visit(children[node["no"]], nodes)
            nodes[position] = (int(node["split"][1:]), node["split_condition"], left, right, 0.0, node["cover"])
        return position

    forest = []
    for text in model.get_booster().get_dump(with_stats=True, dump_format="json"):
        nodes = []
        visit(json.loads(text), nodes)
        forest.append(table(nodes, "<"))
    return forest


def forest_trees(model):
    forest = []
    for estimator in model.estimators_:
        t = estimator.tree_
        leaf = t.children_left < 0
        forest.append({
            "comparison": "<=",
            "feature": np.where(leaf, -1, t.feature).tolist(),
            "threshold": np.where(leaf, 0.0, t.threshold).tolist(),
            "left": np.where(leaf, 0, t.children_left).tolist(),
            "right": np.where(leaf, 0, t.children_right).tolist(),
            "value": np.where(leaf, t.value[:, 0, 0] / len(model.estimators_), 0.0).tolist(),
            "cover": t.weighted_n_node_samples.tolist(),
        })
    return forest


def lightgbm_model(folder, name, x, y):
    model = lgb.LGBMRegressor(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1, random_state=0).fit(x, y)
    model.booster_.save_model(folder / f"{name}.txt")
    onnx = onnxmltools.convert_lightgbm(model, initial_types=[("X", BoosterFloats([None, 20]))], target_opset=15)
    margin = lambda rows: model.booster_.predict(rows, raw_score=True, num_threads=1)  # noqa: E731
    return model, f"{name}.txt", onnx, lightgbm_trees(model), margin


def xgboost_model(folder, name, x, y):
    kind = xgb.XGBClassifier if name.startswith("cls") else xgb.XGBRegressor
    model = kind(n_estimators=500, max_depth=6, n_jobs=1, tree_method="hist", random_state=0).fit(x, y)
    model.save_model(folder / f"{name}.json")
    onnx = onnxmltools.convert_xgboost(model, initial_types=[("X", BoosterFloats([None, 20]))], target_opset=15)
    return model, f"{name}.json", onnx, xgboost_trees(model), lambda rows: model.predict(rows, output_margin=True)


def forest_model(folder, name, x, y):
    model = RandomForestRegressor(100, max_depth=10, n_jobs=1, random_state=0).fit(x, y)
    onnx = to_onnx(model, initial_types=[("X", FloatTensorType([None, 20]))], target_opset={"": 18, "ai.onnx.ml": 3})
    return model, None, onnx, forest_trees(model), model.predict


MODELS = {"reg20-lgb": lightgbm_model, "reg20-xgb": xgboost_model, "cls20-xgb": xgboost_model, "reg20-rf": forest_model}


def walk(forest, rows):
    """Sum of the leaves' values of the plain trees: the check that they are the model."""
    total = np.zeros(len(rows))
    for tree in forest:
        feature, left, right, value = (np.array(tree[k]) for k in ("feature", "left", "right", "value"))
        threshold = np.array(tree["threshold"], dtype=np.float64)
        at = np.zeros(len(rows), dtype=int)
        for _ in range(64):
            x, inner = rows[np.arange(len(rows)), feature[at]].astype(np.float64), feature[at] >= 0
            goes_left = x <= threshold[at] if tree["comparison"] == "<=" else x.astype(np.float32) < threshold[at].astype(np.float32)
            at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
        total += value[at]
    return total


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    sets = data_sets()

    def write(file, array, dtype):
        np.ascontiguousarray(array, dtype=dtype).tofile(folder / file)
        return {"file": file, "dtype": dtype, "shape": list(np.shape(array))}

    for name, build in MODELS.items():
        x, y = sets[name.split("-")[0]]
        one, many, background = some_rows(x, 64, 1), some_rows(x, 1000, 1), some_rows(x, 100, 7)
        model, native, onnx, trees, margin = build(folder, name, x, y)
        (folder / f"{name}.onnx").write_bytes(onnx.SerializeToString())
        (folder / f"{name}.trees.json").write_text(json.dumps(trees))
        raw = np.asarray(margin(many), dtype=np.float64)
        constant = raw - walk(trees, many)
        if np.ptp(constant) > 1e-3:
            raise SystemExit(f"{name}: the plain trees differ from the model by up to {np.ptp(constant)}")
        entry = {
            "name": name,
            "native": native,
            "onnx": f"{name}.onnx",
            "trees": f"{name}.trees.json",
            "base": float(np.median(constant)),
            "tree_count": len(trees),
            "leaves": sum(f < 0 for t in trees for f in t["feature"]),
            "rows_one": write(f"{name}.one.f32", one, "<f4"),
            "rows_many": write(f"{name}.many.f32", many, "<f4"),
            "background": write(f"{name}.background.f32", background, "<f4"),
            "margin": write(f"{name}.margin.f64", raw, "<f8"),
        }
        for key, keywords in (("path_dependent", {}), ("interventional", {"data": background, "feature_perturbation": "interventional"})):
            explainer = shap.TreeExplainer(model, **keywords)
            explainer.model.model_type = "internal"  # shap's own algorithm, not the library's
            entry[key] = write(f"{name}.{key}.f64", explainer.shap_values(one, check_additivity=False), "<f8")
            entry[f"{key}_base"] = float(np.ravel(explainer.expected_value)[0])
        index.append(entry)
        print(json.dumps({k: entry[k] for k in ("name", "tree_count", "leaves", "base")}), flush=True)
    versions = {p: version(p) for p in ("lightgbm", "numpy", "onnx", "onnxmltools", "scikit-learn", "shap", "skl2onnx")} | {"xgboost": xgb.__version__}
    (folder / "index.json").write_text(json.dumps({"versions": versions, "models": index}, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
