"""Product reviews: n-grams and logistic regression on texts of a seeded grammar, as ONNX that takes the text itself."""

import json
import math
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from evidence import check_figures, rounded, session, write_reference  # noqa: E402
from grammar import reviews  # noqa: E402

TOKEN = "[a-zA-Z0-9_]+"  # ONNX Runtime's Tokenizer matches bytes of RE2: neither \b nor \w of Unicode is the same there
STRANGE = ["", "   ", "...", "zzz", "GREAT", "Great, great; GREAT!!!", "it isn't good", "é", "déjà vu: superb", "a\nb\tgood", "🙂 lovely 🙂", "_ 5 stars_"]
LONGEST = 14  # tokens of a golden text whose attributions are enumerated


def export(model: Pipeline) -> None:
    """Writes `text` [n, 1] → `label` [n], `probabilities` [n, 2]."""
    options = {TfidfVectorizer: {"tokenexp": TOKEN}, LogisticRegression: {"zipmap": False}}
    onnx = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options=options, target_opset={"": 18, "ai.onnx.ml": 3, "com.microsoft": 1})
    onnx.graph.name = "reviews"
    lower = next(n for n in onnx.graph.node if n.op_type == "StringNormalizer")
    lower.attribute.append(helper.make_attribute("locale", "C.UTF-8"))  # many containers lack en_US, ONNX Runtime's default
    (HERE / "model.onnx").write_bytes(onnx.SerializeToString())


def token_attributions(answer, text: str) -> tuple[list[dict], np.ndarray, np.ndarray]:
    """Exact Shapley values of the tokens of `text`: tokens, base [outputs], values [tokens, outputs].

    An absent token's characters are removed, everything else stays. `answer` maps a list of texts to [n, outputs]. A token's
    `start` and `end` count characters.
    """
    spans = [match.span() for match in re.finditer(TOKEN, text)]
    n = len(spans)
    texts = []
    for coalition in range(1 << n):
        kept, position = [], 0
        for i, (start, end) in enumerate(spans):
            kept += [text[position:start], text[start:end] if coalition >> i & 1 else ""]
            position = end
        texts.append("".join([*kept, text[position:]]))
    worth = answer(texts)
    coalitions = np.arange(1 << n)
    size = np.array([c.bit_count() for c in range(1 << n)])
    weight = np.array([math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)])
    phi = np.empty((n, worth.shape[1]))
    for i in range(n):
        without = coalitions[coalitions >> i & 1 == 0]
        phi[i] = weight[size[without]] @ (worth[without | 1 << i] - worth[without])
    tokens = [{"token": text[start:end], "start": start, "end": end} for start, end in spans]
    return tokens, worth[0], phi


def write_golden(runtime, texts: list[str]) -> None:
    """Writes `golden.jsonl`: one text per line with its expected answer."""

    def answer(texts: list[str]) -> np.ndarray:
        """Probability of `positive` and its log-odds."""
        p = runtime.run(["probabilities"], {"text": np.array(texts, dtype=object)[:, None]})[0].astype(np.float64)
        return np.stack([p[:, 1], np.log(p[:, 1] / p[:, 0])], axis=1)

    with open(HERE / "golden.jsonl", "w") as file:
        for text in texts:
            labels, values = runtime.run(None, {"text": np.array([[text]], dtype=object)})
            line = {"row": {"text": text}, "label": labels[0], "values": [float(v) for v in values[0]], "margin": [float(answer([text])[0, 1])]}
            if len(re.findall(TOKEN, text)) <= LONGEST:
                tokens, base, phi = token_attributions(answer, text)
                line["words"] = {
                    "tokens": tokens,
                    "probability": {"base": [base[0]], "attributions": phi[:, :1].tolist()},
                    "margin": {"base": [base[1]], "attributions": phi[:, 1:].tolist()},
                }
                line["explainer"] = "exact: all coalitions of tokens, absent tokens removed from the text, of `positive`"
            file.write(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")


def main() -> None:
    made = pd.DataFrame(reviews(3000, seed=1), columns=["text", "sentiment"])
    train, reference, test = made[:2000], made[2000:2500], made[2500:]
    write_reference(HERE, reference[["text"]], "sentiment", reference["sentiment"])
    vectorizer = TfidfVectorizer(token_pattern=TOKEN, ngram_range=(1, 2), min_df=3)
    model = Pipeline([("words", vectorizer), ("regression", LogisticRegression(C=4.0, max_iter=1000))]).fit(train["text"], train["sentiment"])
    export(model)

    runtime = session(HERE / "model.onnx")
    texts = [*test["text"], *STRANGE]
    labels, probabilities = runtime.run(None, {"text": np.array(texts, dtype=object)[:, None]})
    if list(labels) != list(model.predict(texts)) or np.abs(probabilities - model.predict_proba(texts)).max() > 1e-5:
        raise SystemExit("the exported model answers other than scikit-learn")
    write_golden(runtime, [*test["text"][:20], *STRANGE])
    positive, truth = probabilities[: len(test), 1].astype(float), test["sentiment"] == "positive"
    check_figures(HERE, {
        "accuracy": rounded(accuracy_score(test["sentiment"], labels[: len(test)])),
        "roc_auc": rounded(roc_auc_score(truth, positive)),
        "brier": rounded(brier_score_loss(truth, positive)),
    })


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # skl2onnx orders nodes by a set of names
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    main()
