"""The host's metrics, read by Prometheus's own parsers: they are well formed, and no call is missing."""

import urllib.request

from common import Host, rows
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text


def main():
    host = Host()
    for _ in range(7):
        host.ask("/credit/predict", rows("credit", 1)[0])
    for _ in range(3):
        host.ask("/wine/explain", rows("wine", 1)[0])
    for accept, parse in [
        ("text/plain; version=0.0.4", text.text_string_to_metric_families),
        ("application/openmetrics-text; version=1.0.0", openmetrics.text_string_to_metric_families),
    ]:
        request = urllib.request.Request(host.control + "/metrics", headers={"accept": accept})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["content-type"].startswith(accept), answer.headers["content-type"]
            families = {family.name: family for family in parse(answer.read().decode())}
        assert families, "no metrics"
        for family in families.values():
            assert family.documentation, family.name
        counted = {}
        for sample in families["nv_inference_request_success"].samples:
            if sample.name.endswith(("_success", "_success_total")):
                name = sample.labels["model"]
                counted[name] = counted.get(name, 0) + sample.value
        assert (counted["credit"], counted["wine"]) == (7, 3), counted
        invocations = families["faas_invocations"]
        assert sum(one.value for one in invocations.samples if one.name == "faas_invocations_total") == 10, invocations
        names = {sample.labels.get("faas_name") for sample in invocations.samples}
        assert {"credit", "wine"} <= names, names
    print("metrics: ok")


main()
