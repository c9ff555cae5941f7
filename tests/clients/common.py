"""What the clients share: where the host is, and what its functions answer when they are asked directly."""

import argparse
import json
import urllib.error
import urllib.request
from pathlib import Path

MODELS = Path(__file__).parents[2] / "models"


class Host:
    """A host that serves the demonstration functions under their own names, `credit` at `/credit/…`."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("url", help="where the host listens, e.g. http://127.0.0.1:3000")
        parser.add_argument("--key", help="an API key, for functions that need one")
        parser.add_argument("--control", default="", help="where its control plane listens, for scripts that change it")
        given = parser.parse_args()
        self.url, self.key = given.url.rstrip("/"), given.key
        self.control = given.control.rstrip("/")

    @property
    def headers(self):
        return {"x-api-key": self.key} if self.key else {}

    def ask(self, path, body, content_type="application/json"):
        """The answer of a plain HTTP request, as it came: the truth that every door is compared with."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": content_type, **self.headers}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers)) as answer:
            return json.load(answer)

    def control_api(self, method, path, document=None):
        """The answer of the control API, which must not refuse."""
        data = None if document is None else json.dumps(document).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.control + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def boto(self, service):
        """A client of AWS whose endpoint is this host. Its credentials are of no account; the key goes beside them."""
        import boto3
        from botocore.config import Config

        client = boto3.client(
            service,
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(retries={"max_attempts": 0}),
        )
        client.meta.events.register(
            "before-send", lambda request, **_: request.headers.update(self.headers)
        )
        return client


def rows(function, count):
    """The first golden rows of a demonstration model."""
    lines = (MODELS / function / "golden.jsonl").read_text().splitlines()[:count]
    return [json.loads(line)["row"] for line in lines]


def csv(rows):
    """Rows as CSV with a header. No value of the demonstration rows used here needs quotes."""
    lines = [",".join(rows[0])] + [",".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def refused(call, code):
    """The error that a boto3 call must end in."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"the call succeeded; expected {code}")
