"""Handwritten digits: a small convolutional network on scikit-learn's 8x8 images, trained with JAX, as ONNX."""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"  # one order of additions, one result

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime as ort
import optax
from flax import nnx
from jax2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import check_figures, rounded, session  # noqa: E402

INK = 16.0  # value of a cell that is all ink
EPOCHS, BATCH = 60, 64


class Network(nnx.Module):
    """Two convolutions, one pooling, two dense layers. Scores [n, 10] of images [n, 8, 8, 1] with values from 0 to 16."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(16, 32, (3, 3), rngs=rngs)
        self.dense1 = nnx.Linear(512, 64, rngs=rngs)
        self.dense2 = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, image: jax.Array) -> jax.Array:
        x = nnx.relu(self.conv1(image / INK))
        x = nnx.relu(self.conv2(x))
        x = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = nnx.relu(self.dense1(x.reshape(x.shape[0], 512)))
        return self.dense2(x)


def fit(images: np.ndarray, digits: np.ndarray) -> Network:
    """Adam with a cosine schedule on images moved by up to one cell."""
    network = Network(nnx.Rngs(0))
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = nnx.Optimizer(network, optax.adam(optax.cosine_decay_schedule(2e-3, steps)), wrt=nnx.Param)

    @nnx.jit
    def step(network: Network, optimizer: nnx.Optimizer, image: jax.Array, digit: jax.Array) -> None:
        loss = lambda network: optax.softmax_cross_entropy_with_integer_labels(network(image), digit).mean()  # noqa: E731
        optimizer.update(network, nnx.grad(loss)(network))

    random = np.random.default_rng(0)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for _ in range(EPOCHS):
        order = random.permutation(len(images))
        for begin in range(0, len(images) - BATCH + 1, BATCH):
            rows, (down, right) = order[begin : begin + BATCH], random.integers(0, 3, 2)
            step(network, optimizer, padded[rows, down : down + 8, right : right + 8], digits[rows])
    return network


def export(network: Network) -> None:
    """Writes `image` [n, 1, 8, 8] → `label` [n] (int64), `probabilities` [n, 10]."""
    answer = lambda image: (lambda s: (jnp.argmax(s, axis=1), nnx.softmax(s)))(network(image))  # noqa: E731
    model = to_onnx(
        answer, [("n", 8, 8, 1)], model_name="digits", opset=18, inputs_as_nchw=[0],
        input_names=["image"], output_names=["label", "probabilities"],
    )
    cast = next(n for n in model.graph.node if n.output[0] == "label")  # JAX counts in 32 bits, ArgMax in 64
    if cast.op_type != "Cast":
        raise SystemExit(f"the label comes from {cast.op_type}, not from a Cast")
    next(n for n in model.graph.node if n.output[0] == cast.input[0]).output[0] = "label"
    model.graph.node.remove(cast)
    del model.graph.value_info[:]  # one of them names the tensor that is gone
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / "model.onnx")


def with_scores(path: Path) -> bytes:
    """The model with one more output: the scores before the softmax."""
    model = onnx.load(path)
    scores = next(n for n in model.graph.node if n.op_type == "Softmax").input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(scores, onnx.TensorProto.FLOAT, ["n", 10]))
    return model.SerializeToString()


def grid_attributions(answer: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact Shapley values of the 4x4 grid of 2x2 cells against a black image: base [outputs] and values [16, outputs].

    `answer` maps [n, 1, 8, 8] to [n, outputs]; all 2^16 coalitions are evaluated.
    """
    players = 16
    coalitions = np.arange(1 << players)
    present = (coalitions[:, None] >> np.arange(players) & 1).astype(bool).reshape(-1, 1, 4, 4)
    masks = present.repeat(2, axis=2).repeat(2, axis=3)
    worth = np.concatenate([answer(np.where(part, image, 0).astype(np.float32)) for part in np.split(masks, 64)]).astype(np.float64)
    size = present.reshape(-1, players).sum(axis=1)
    weight = np.array([math.factorial(s) * math.factorial(players - s - 1) / math.factorial(players) for s in range(players)])
    phi = np.empty((players, worth.shape[1]))
    for i in range(players):
        without = coalitions[coalitions >> i & 1 == 0]
        phi[i] = weight[size[without]] @ (worth[without | 1 << i] - worth[without])
    gap = np.abs(worth[0] + phi.sum(axis=0) - worth[-1]).max()
    if not gap < 1e-9:
        raise SystemExit(f"base and values of the grid miss the prediction by {gap}")
    return worth[0], phi


def gradients(network: Network, image: np.ndarray, label: int, steps: int = 4000) -> dict:
    """Derivatives [8, 8] of the label's probability and score by the cells, at the image and integrated from black (midpoints)."""
    spaces = {"probability": lambda rows: nnx.softmax(network(rows))[:, label].sum(), "margin": lambda rows: network(rows)[:, label].sum()}
    way = ((np.arange(steps, dtype=np.float32) + 0.5) / steps)[:, None, None, None] * image[None, 0, :, :, None]
    answer = {}
    for space, output in spaces.items():
        slope = jax.jit(jax.grad(output))
        integrated = np.asarray(slope(way), dtype=np.float64).mean(axis=0)[:, :, 0] * image[0]
        gap = abs(integrated.sum() - float(output(image[None, 0, :, :, None]) - output(np.zeros_like(way[:1]))))
        if not gap < 1e-2:
            raise SystemExit(f"integrated gradients miss the way from black to the {space} by {gap}")
        answer[space] = {"gradient": np.asarray(slope(image[None, 0, :, :, None]))[0, :, :, 0], "integrated": integrated}
    return {space: {key: np.round(values.astype(float), 7).tolist() for key, values in part.items()} for space, part in answer.items()}


def write_golden(network: Network, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Writes `golden.jsonl`: one held-out image per line with its expected answer."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    runtime = ort.InferenceSession(with_scores(HERE / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def answer(rows: np.ndarray) -> np.ndarray:
        return np.hstack(runtime.run(None, {"image": rows})[1:])

    with open(HERE / "golden.jsonl", "w") as file:
        for i, image in enumerate(images):
            base, phi = grid_attributions(answer, image)
            spaces = {"probability": slice(0, 10), "margin": slice(10, 20)}
            line = {
                "row": {"image": image.astype(int).tolist()},
                "label": str(labels[i]),
                "values": [float(v) for v in probabilities[i]],
                "margin": [float(v) for v in answer(image[None])[0, 10:]],
                "grid": {key: {"base": base[part].tolist(), "attributions": phi[:, part].tolist()} for key, part in spaces.items()},
                "gradients": gradients(network, image, int(labels[i])),
                "explainer": "exact: all 2^16 coalitions of the 4x4 grid of 2x2 cells (row-major), absent cells black",
            }
            file.write(json.dumps(line, allow_nan=False) + "\n")


def main() -> None:
    data = load_digits()
    images = data.images.astype(np.float32)[:, None]
    digits = data.target.astype(np.int64)
    rest, test, rest_digits, test_digits = train_test_split(images, digits, test_size=400, stratify=digits, random_state=3)
    train, reference, train_digits, reference_digits = train_test_split(rest, rest_digits, test_size=300, stratify=rest_digits, random_state=3)
    np.save(HERE / "reference.npy", reference)
    np.save(HERE / "reference-labels.npy", reference_digits)
    last = lambda rows: rows.transpose(0, 2, 3, 1)  # noqa: E731  # channels last, as flax has them
    network = fit(last(train), train_digits)
    export(network)

    labels, probabilities = session(HERE / "model.onnx").run(None, {"image": test})
    expected = np.asarray(nnx.softmax(network(last(test))))
    if list(labels) != list(expected.argmax(axis=1)) or np.abs(probabilities - expected).max() > 1e-5:
        raise SystemExit("the exported model answers other than JAX")
    write_golden(network, test[:20], labels[:20], probabilities[:20])
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test_digits, labels)),
        "log_loss": rounded(log_loss(test_digits, probabilities / probabilities.sum(axis=1, keepdims=True))),
    })


if __name__ == "__main__":
    main()
