"""AWS Lambda's Invoke by boto3, against what the function answers when it is asked directly."""

import base64
import json

from common import Host, refused, rows


def main():
    host = Host()
    client = host.boto("lambda")
    row = rows("credit", 1)[0]
    predicted = host.ask("/credit/predict", row)

    # A payload is a prediction, and the answer the function's own bytes.
    answer = client.invoke(FunctionName="credit", Payload=json.dumps(row))
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer, answer
    assert json.load(answer["Payload"]) == predicted
    version = answer["ExecutedVersion"]
    assert version.isdigit(), version
    assert answer["ResponseMetadata"]["RequestId"], answer

    # Every way to name the function.
    for name in [
        "credit:$LATEST",
        f"credit:{version}",
        "123456789012:function:credit",
        "arn:aws:lambda:eu-central-1:123456789012:function:credit:live",
    ]:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(row))
        assert json.load(answer["Payload"]) == predicted, name
        assert answer["ExecutedVersion"] == version, name
    answer = client.invoke(FunctionName="credit", Qualifier="live", Payload=json.dumps(row))
    assert json.load(answer["Payload"]) == predicted

    # The log tail.
    answer = client.invoke(FunctionName="credit", LogType="Tail", Payload=json.dumps(row))
    log = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert log.startswith(f"START RequestId: {request_id} Version: {version}\n"), log
    assert f"\nREPORT RequestId: {request_id}\tDuration: " in log, log

    # Events and dry runs.
    answer = client.invoke(FunctionName="credit", InvocationType="Event", Payload=json.dumps(row))
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b"", answer
    answer = client.invoke(FunctionName="credit", InvocationType="DryRun")
    assert answer["StatusCode"] == 204, answer

    # An HTTP event is the request it describes.
    explained = host.ask("/credit/explain?top=3", row)
    event = {
        "version": "2.0",
        "rawPath": "/explain",
        "rawQueryString": "top=3",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/explain"}},
        "body": base64.b64encode(json.dumps(row).encode()).decode(),
        "isBase64Encoded": True,
    }
    answer = json.load(client.invoke(FunctionName="credit", Payload=json.dumps(event))["Payload"])
    assert answer["statusCode"] == 200 and answer["headers"]["content-type"] == "application/json", answer
    assert json.loads(answer["body"]) == explained
    event = {"httpMethod": "POST", "path": "/explain", "queryStringParameters": {"top": "3"}, "body": row}
    answer = json.load(client.invoke(FunctionName="credit", Payload=json.dumps(event))["Payload"])
    assert json.loads(answer["body"]) == explained

    # What the function refuses is its error, with status 200.
    answer = client.invoke(FunctionName="credit", Payload=json.dumps({**row, "age": "old"}))
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Handled", answer
    error = json.load(answer["Payload"])
    assert error["errorType"] == "BadRequest" and "`age`" in error["errorMessage"], error

    # What the service refuses.
    response = refused(lambda: client.invoke(FunctionName="nobody", Payload="{}"), "ResourceNotFoundException")
    assert response["Error"]["Message"] == "Function not found: nobody", response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404, response
    refused(lambda: client.invoke(FunctionName="credit:999999", Payload="{}"), "ResourceNotFoundException")
    refused(lambda: client.invoke(FunctionName="credit", Payload="{"), "InvalidRequestContentException")
    refused(
        lambda: client.invoke(FunctionName="credit:1", Qualifier="2", Payload="{}"), "InvalidParameterValueException"
    )
    print("aws_lambda: ok")


main()
