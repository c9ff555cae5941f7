"""Time of a prediction with ONNX Runtime on one thread, for the models of `make_models.py`.

    python predict.py DIR [--model NAME]... [--budget SECONDS]

One JSON object per line: `model`, `library`, `what`, `rows`, `us_per_call`, `us_per_row`, `cpu_us_per_row` (medians).
"""

import one_thread  # noqa: F401  isort: skip
import argparse

import onnxruntime as ort

from measure import benches, one_and_many


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--budget", type=float, default=1.0)
    chosen = arguments.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    for bench in benches(chosen.folder, chosen.model):
        session = ort.InferenceSession(str(bench.path("onnx")), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        one_and_many(bench, f"onnxruntime {ort.__version__}", "predict", lambda rows: session.run(None, {name: rows}), chosen.budget)


if __name__ == "__main__":
    main()
