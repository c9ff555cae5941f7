"""Diabetes progression after one year: LightGBM regression on ten baseline measurements, as LightGBM's own text file."""

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import shap
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import background_rows, check_figures, rounded, write_golden, write_reference  # noqa: E402

NAMES = {
    "age": "age", "sex": "sex", "bmi": "bmi", "bp": "blood_pressure", "s1": "total_cholesterol", "s2": "ldl",
    "s3": "hdl", "s4": "cholesterol_ratio", "s5": "log_triglycerides", "s6": "glucose",
}


def main() -> None:
    data = load_diabetes(as_frame=True, scaled=False)
    frame = data.data.rename(columns=NAMES)
    for column in ("age", "sex", "total_cholesterol", "hdl", "glucose"):
        frame[column] = frame[column].astype(int)
    train, test, train_y, test_y = train_test_split(frame, data.target, test_size=110, random_state=3)
    train = write_reference(HERE, train, "progression", train_y)
    parameters = {
        "objective": "regression", "num_leaves": 6, "learning_rate": 0.06, "min_data_in_leaf": 12, "feature_fraction": 0.6, "lambda_l2": 1.0,
        "verbose": -1, "num_threads": 1, "seed": 11, "deterministic": True, "force_row_wise": True,
    }
    lgb.train(parameters, lgb.Dataset(train.astype(float), train_y.to_numpy()), num_boost_round=90).save_model(HERE / "model.txt")

    model = lgb.Booster(model_file=HERE / "model.txt")
    rows = test.to_numpy(dtype=float)
    predicted = model.predict(rows, num_threads=1)
    golden = test.iloc[:20]
    background = background_rows(train, 100).to_numpy(dtype=float)
    explainer = shap.TreeExplainer(model, data=background, feature_perturbation="interventional")
    attributions = explainer.shap_values(rows[:20])
    write_golden(
        HERE, golden, None, predicted[:20, None], predicted[:20, None], np.ravel(explainer.expected_value), attributions[:, :, None],
        "shap.TreeExplainer, interventional over the 100 background rows, predicted value",
    )
    check_figures(HERE, {
        "mae": rounded(mean_absolute_error(test_y, predicted)),
        "rmse": rounded(root_mean_squared_error(test_y, predicted)),
        "r2": rounded(r2_score(test_y, predicted)),
    })


if __name__ == "__main__":
    main()
