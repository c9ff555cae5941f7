"""Wine cultivars: standardised multinomial logistic regression on 13 chemical measurements, as ONNX with its ZipMap."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import shap
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import background_rows, check_figures, rounded, session, write_golden, write_reference  # noqa: E402

LABELS = np.array(["barolo", "grignolino", "barbera"], dtype=object)


def main() -> None:
    data = load_wine()
    names = [n.replace("od280/od315_of_diluted_wines", "od280_od315") for n in data.feature_names]
    frame = pd.DataFrame(data.data, columns=names)
    cultivar = LABELS[data.target]
    train, test, train_y, test_y = train_test_split(frame, cultivar, test_size=60, stratify=cultivar, random_state=3)
    train = write_reference(HERE, train, "cultivar", train_y)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(train.to_numpy(dtype=np.float32), train_y)
    onnx = to_onnx(model, initial_types=[("X", FloatTensorType([None, 13]))], target_opset={"": 18, "ai.onnx.ml": 3})
    onnx.graph.name = "wine"
    (HERE / "model.onnx").write_bytes(onnx.SerializeToString())

    rows = test.to_numpy(dtype=np.float32)
    labels, dictionaries = session(HERE / "model.onnx").run(None, {"X": rows})
    classes = list(model.classes_)
    probabilities = np.array([[row[c] for c in classes] for row in dictionaries])
    if list(labels) != list(model.predict(rows)) or np.abs(probabilities - model.predict_proba(rows)).max() > 1e-5:
        raise SystemExit("the exported model answers other than scikit-learn")

    golden = test.iloc[:20]
    scaler, regression = model
    background = scaler.transform(background_rows(train, 100).to_numpy(dtype=float))
    explainer = shap.LinearExplainer(regression, shap.maskers.Independent(background, max_samples=100))
    scaled = scaler.transform(golden.to_numpy(dtype=float))
    attributions = explainer.shap_values(scaled)
    write_golden(
        HERE, golden, list(labels[:20]), probabilities[:20], regression.decision_function(scaled), explainer.expected_value, attributions,
        "shap.LinearExplainer, interventional over the 100 background rows, log-odds before the softmax",
    )
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test_y, labels)),
        "log_loss": rounded(log_loss(test_y, probabilities / probabilities.sum(axis=1, keepdims=True), labels=classes)),
    })


if __name__ == "__main__":
    main()
