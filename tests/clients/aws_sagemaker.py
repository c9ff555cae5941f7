"""SageMaker's InvokeEndpoint by boto3, with Clarify's gate and document, against what the function answers directly."""

import json

from common import Host, csv, refused, rows


def main():
    host = Host()
    client = host.boto("sagemaker-runtime")
    records = rows("credit", 4)
    invoke = lambda **given: client.invoke_endpoint(EndpointName="credit", **given)

    # The container's own answer, and what comes with it.
    answer = invoke(
        ContentType="application/json",
        Body=json.dumps({"instances": records}),
        CustomAttributes="trace=1",
        InferenceId="inference-1",
        TargetVariant="AllTraffic",
    )
    assert answer["ContentType"] == "application/json", answer
    assert json.load(answer["Body"]) == host.ask("/credit/invocations", {"instances": records})
    assert answer["CustomAttributes"] == "trace=1", answer
    version = answer["InvokedProductionVariant"]
    assert version.isdigit(), version
    answer = invoke(ContentType="text/csv", Body=csv(records), TargetVariant=version)
    assert json.load(answer["Body"]) == host.ask("/credit/invocations", {"instances": records})

    # Numbers, a line per record.
    predictions = host.ask("/credit/predict", records)["predictions"]
    good = [prediction["probabilities"]["good"] for prediction in predictions]
    answer = invoke(ContentType="text/csv", Accept="text/csv", Body=csv(records))
    assert answer["ContentType"] == "text/csv; charset=utf-8", answer
    assert [float(line) for line in answer["Body"].read().decode().splitlines()] == good
    answer = invoke(
        ContentType="application/jsonlines",
        Accept="application/jsonlines",
        Body="\n".join(map(json.dumps, records)),
    )
    assert [json.loads(line) for line in answer["Body"].read().splitlines()] == predictions

    # The gate: records above a threshold that some reach and some do not.
    threshold = sorted(good)[1]
    expected = host.ask("/credit/explain", records)["explanations"]
    for content_type, body, accept, gate in [
        ("text/csv", csv(records), "text/csv", f"[0]>`{threshold}`"),
        ("text/csv", csv(records).split("\n", 1)[1], "text/csv", f"[0]>`{threshold}`"),
        ("application/json", json.dumps({"instances": records}), "application/json", f"probabilities.good>`{threshold}`"),
        (
            "application/jsonlines",
            "\n".join(map(json.dumps, records)),
            "application/jsonlines",
            f"probabilities.good>`{threshold}`",
        ),
    ]:
        answer = invoke(ContentType=content_type, Accept=accept, Body=body, EnableExplanations=gate)
        assert answer["ContentType"] == "application/json", answer
        document = json.load(answer["Body"])
        assert document["version"] == "1.0" and document["label_headers"] == ["good"], document
        assert document["predictions"]["content_type"].startswith(accept), document
        for record, explanation, value in zip(document["explanations"]["kernel_shap"], expected, good, strict=True):
            if value <= threshold:
                assert record is None, record
                continue
            # Just as Clarify's published clients read it.
            found = {feature["feature_header"]: feature["attributions"][0]["attribution"][0] for feature in record}
            assert found == {one["feature"]: one["attribution"] for one in explanation["attributions"]}, found
    answer = invoke(ContentType="text/csv", Accept="text/csv", Body=csv(records), EnableExplanations="`false`")
    assert json.load(answer["Body"])["explanations"] == {}

    # A text has an attribution for each of its parts.
    review = rows("reviews", 1)[0]
    answer = client.invoke_endpoint(
        EndpointName="reviews",
        ContentType="application/json",
        Body=json.dumps(review),
        EnableExplanations="`true`",
    )
    [[feature]] = json.load(answer["Body"])["explanations"]["kernel_shap"]
    assert feature["feature_type"] == "text" and len(feature["attributions"]) > 3, feature
    for part in feature["attributions"]:
        words, start = part["description"]["partial_text"], part["description"]["start_idx"]
        assert review["text"][start:].lower().startswith(words.lower()), part

    # Refusals.
    bad = json.dumps({**records[0], "age": "old"})
    response = refused(lambda: invoke(ContentType="application/json", Body=bad), "ModelError")
    assert response["OriginalStatusCode"] == 400 and "`age`" in response["OriginalMessage"], response
    refused(lambda: client.invoke_endpoint(EndpointName="Nobody", Body="1"), "ValidationError")
    refused(lambda: invoke(Body="1", TargetModel="other.tar.gz"), "ValidationError")
    refused(lambda: invoke(Body=csv(records), ContentType="text/csv", EnableExplanations="[0"), "ValidationError")
    refused(
        lambda: invoke(Body=csv(records), ContentType="text/csv", Accept="text/csv", EnableExplanations="[0]"),
        "ValidationError",
    )
    refused(
        lambda: client.invoke_endpoint_async(EndpointName="credit", InputLocation="s3://bucket/key"),
        "ValidationError",
    )
    print("aws_sagemaker: ok")


main()
