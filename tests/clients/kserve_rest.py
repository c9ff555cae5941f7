"""KServe's own REST client, V1 and V2, against all functions of a host."""

import asyncio

from common import Host, rows
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def v1(host):
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    row = rows("credit", 1)[0]
    assert await client.is_model_ready(host.url, "credit", headers=host.headers)
    body = {"instances": [row]}
    predicted = await client.infer(host.url, body, model_name="credit", headers=host.headers)
    direct = host.ask("/credit/v1/models/credit:predict", body)
    assert predicted == direct, predicted
    explained = await client.explain(host.url, "credit", body, headers=host.headers)
    assert explained == host.ask("/credit/v1/models/credit:explain", body), explained
    # The words of the host and of the function reach the user of the client.
    for call, words in [
        (client.is_model_ready(host.url, "nobody", headers=host.headers), "there is no function `nobody` here"),
        (client.infer(host.url, {"instances": []}, model_name="credit", headers=host.headers), "no rows"),
    ]:
        try:
            await call
        except HTTPStatusError as error:
            assert words in str(error), error
        else:
            raise AssertionError(f"expected: {words}")


async def v2(host):
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(host.url)
    assert await client.is_server_ready(host.url)
    for function in ["credit", "wine"]:
        assert await client.is_model_ready(host.url, function, headers=host.headers), function
    row = rows("wine", 1)[0]
    inputs = [InferInput(name, [1, 1], "FP64", [value]) for name, value in row.items()]
    request = InferRequest(model_name="wine", infer_inputs=inputs)
    answer = await client.infer(host.url, request, model_name="wine", headers=host.headers)
    prediction = host.ask("/wine/predict", row)["predictions"][0]
    outputs = {output.name: output.data for output in answer.outputs}
    found = outputs.get("probabilities", outputs.get("value"))
    expected = prediction.get("probabilities", prediction.get("value"))
    expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    assert list(found) == expected, (found, expected)
    assert answer.id, answer


def main():
    host = Host()
    asyncio.run(v1(host))
    asyncio.run(v2(host))
    listed = host.ask("/v2/repository/index", {})
    assert {"credit", "wine"} <= {one["name"] for one in listed}, listed
    print("kserve_rest: ok")


main()
