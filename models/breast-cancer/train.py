"""Breast cancer (Wisconsin, diagnostic): XGBoost on 30 measurements of cell nuclei, as ONNX and as XGBoost's own JSON."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import shap
import xgboost as xgb
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import background_rows, check_figures, rounded, session, write_golden, write_reference  # noqa: E402

LABELS = ["benign", "malignant"]


def main() -> None:
    data = load_breast_cancer()
    frame = pd.DataFrame(data.data, columns=[n.replace(" ", "_") for n in data.feature_names])
    diagnosis = 1 - data.target  # scikit-learn counts benign as 1; here the positive class is the one to act on
    train, test, train_y, test_y = train_test_split(frame, diagnosis, test_size=150, stratify=diagnosis, random_state=3)
    train = write_reference(HERE, train, "diagnosis", [LABELS[y] for y in train_y])
    model = xgb.XGBClassifier(n_estimators=80, max_depth=3, learning_rate=0.15, subsample=0.8, colsample_bytree=0.5, n_jobs=1, random_state=5)
    matrix = train.to_numpy(dtype=np.float32)
    model.fit(matrix, train_y)
    onnx = convert_xgboost(model, initial_types=[("X", FloatTensorType([None, 30]))], target_opset=15)
    onnx.graph.name = "breast-cancer"
    (HERE / "model.onnx").write_bytes(onnx.SerializeToString())
    model.save_model(HERE / "model.json")

    rows = test.to_numpy(dtype=np.float32)
    labels, probabilities = session(HERE / "model.onnx").run(None, {"X": rows})
    if list(labels) != list(model.predict(rows)) or np.abs(probabilities - model.predict_proba(rows)).max() > 1e-5:
        raise SystemExit("the exported model answers other than XGBoost")

    golden = test.iloc[:20]
    background = background_rows(train, 100).to_numpy(dtype=np.float32)
    explainer = shap.TreeExplainer(model, data=background, feature_perturbation="interventional")
    attributions = explainer.shap_values(rows[:20])
    margin = model.predict(rows[:20], output_margin=True)
    write_golden(
        HERE, golden, [LABELS[y] for y in labels[:20]], probabilities[:20], margin[:, None], np.ravel(explainer.expected_value), attributions[:, :, None],
        "shap.TreeExplainer, interventional over the 100 background rows, log-odds of `malignant`",
    )
    malignant = probabilities[:, 1].astype(float)
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test_y, labels)),
        "roc_auc": rounded(roc_auc_score(test_y, malignant)),
        "brier": rounded(brier_score_loss(test_y, malignant)),
    })


if __name__ == "__main__":
    main()
