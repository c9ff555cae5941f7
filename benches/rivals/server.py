"""What a team would write today: the credit model behind FastAPI and ONNX Runtime, one worker, one numeric thread.

    python server.py [--host 127.0.0.1] [--port 8099] [--model FILE]

POST /predict takes one row as a JSON object and answers `{"label", "probabilities"}`; GET /healthz says when it is ready.
"""

import one_thread  # noqa: F401  isort: skip
import argparse
from pathlib import Path

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

CREDIT = Path(__file__).resolve().parents[2] / "models" / "credit" / "model.onnx"
LABELS = ("bad", "good")


class Row(BaseModel):
    age: float
    sex: str
    job: str
    housing: str
    saving_accounts: str
    checking_account: str
    credit_amount: float
    duration: float
    purpose: str


class Prediction(BaseModel):
    label: str
    probabilities: dict[str, float]


def application(model: Path) -> FastAPI:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    kinds = {i.name: object if i.type == "tensor(string)" else np.float32 for i in session.get_inputs()}
    app = FastAPI()

    @app.post("/predict")
    async def predict(row: Row) -> Prediction:  # async: a prediction is shorter than the way to a worker thread and back
        values = row.__dict__
        label, probabilities = session.run(None, {name: np.array([[values[name]]], dtype=kind) for name, kind in kinds.items()})
        return Prediction(label=label[0], probabilities=dict(zip(LABELS, probabilities[0].tolist())))

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8099)
    arguments.add_argument("--model", type=Path, default=CREDIT)
    chosen = arguments.parse_args()
    uvicorn.run(application(chosen.model), host=chosen.host, port=chosen.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
