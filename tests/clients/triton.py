"""Triton's HTTP client against all functions of a host: binary tensors, metadata, the repository."""

import numpy as np
import tritonclient.http as triton
from common import Host, rows
from tritonclient.utils import InferenceServerException


def main():
    host = Host()
    client = triton.InferenceServerClient(host.url.removeprefix("http://"))
    headers = host.headers
    assert client.is_server_live() and client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.is_model_ready("credit", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)

    metadata = client.get_model_metadata("credit", headers=headers)
    assert metadata["name"] == "credit", metadata
    [version] = metadata["versions"]

    records = rows("credit", 3)
    inputs = []
    for feature in metadata["inputs"]:
        column = [row[feature["name"]] for row in records]
        if feature["datatype"] == "BYTES":
            tensor = np.array([[text.encode()] for text in column], dtype=np.object_)
        else:
            kind = {"INT64": np.int64, "BOOL": np.bool_}.get(feature["datatype"], np.float64)
            tensor = np.array(column, dtype=kind).reshape(-1, 1)
        one = triton.InferInput(feature["name"], tensor.shape, feature["datatype"])
        one.set_data_from_numpy(tensor, binary_data=True)
        inputs.append(one)

    # Predictions, and attributions as an array, in binary.
    wanted = ["probabilities", "attributions", "base_values"]
    outputs = [triton.InferRequestedOutput(name, binary_data=True) for name in wanted]
    for chosen in ["", version]:
        answer = client.infer("credit", inputs, model_version=chosen, outputs=outputs, headers=headers)
        direct = host.ask("/credit/explain", records)
        expected = [list(one["probabilities"].values()) for one in direct["predictions"]]
        np.testing.assert_array_equal(answer.as_numpy("probabilities"), expected)
        attributions = [[part["attribution"] for part in one["attributions"]] for one in direct["explanations"]]
        np.testing.assert_array_equal(answer.as_numpy("attributions"), np.array(attributions, dtype=np.float32))

    # Loading and unloading take no function away.
    client.unload_model("credit", headers=headers)
    client.load_model("credit", headers=headers)
    client.infer("credit", inputs, headers=headers)
    index = {one["name"]: one for one in client.get_model_repository_index(headers=headers)}
    assert index["credit"]["state"] == "READY" and index["credit"]["version"] == version, index

    for name, chosen in [("nobody", ""), ("credit", "999999")]:
        try:
            client.infer(name, inputs, model_version=chosen, headers=headers)
        except InferenceServerException as error:
            assert error.status().endswith("404"), error
        else:
            raise AssertionError(f"{name} {chosen} was answered")
    print("triton: ok")


main()
