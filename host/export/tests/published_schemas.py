"""Checks tests/samples with the platforms' own schemas.

    pip install kubernetes-validate==1.37.0 cfn-lint==1.58.0 PyYAML jsonschema
    python published_schemas.py [CRD.yaml ...]

Kubernetes' objects are checked strictly (no unknown member) with the schemas in PyPI's `kubernetes-validate`, the SAM
template with `cfn-lint`. Custom resources are checked with the definitions named on the command line:
`config/crd/bases/core.spinkube.dev_spinapps.yaml` of spinframework/spin-operator and
`config/core/300-resources/service.yaml` of knative/serving. PyYAML reads every file, as a second opinion on our quoting.
Cloud Run's services are checked as Knative's, which they are in form.
"""

import pathlib
import subprocess
import sys

import jsonschema
import kubernetes_validate
import yaml

SAMPLES = pathlib.Path(__file__).parent / "samples"


def closed(schema):
    """The schema, refusing unknown members wherever it lists the known ones."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    listed = isinstance(schema.get("properties"), dict) and "type" in schema
    if listed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    return schema


def custom_resources(paths):
    schemas = {}
    for path in paths:
        for definition in yaml.safe_load_all(pathlib.Path(path).read_text()):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                schema["properties"].setdefault("apiVersion", {"type": "string"})
                schema["properties"].setdefault("kind", {"type": "string"})
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                schemas[key] = schema
    return schemas


def main():
    custom = custom_resources(sys.argv[1:])
    passed = failed = skipped = 0
    for path in sorted(SAMPLES.rglob("*.yaml")):
        documents = list(yaml.safe_load_all(path.read_text()))
        for document in documents:
            name = f"{path.relative_to(SAMPLES)} {document.get('kind', 'SAM template')}"
            try:
                if "AWSTemplateFormatVersion" in document:
                    subprocess.run(["cfn-lint", "--", str(path)], check=True)
                elif (key := (document["apiVersion"], document["kind"])) in custom:
                    jsonschema.validate(document, custom[key])
                elif "." in document["apiVersion"]:
                    print(f"skipped  {name}: no definition of {key}")
                    skipped += 1
                    continue
                else:
                    kubernetes_validate.validate(document, "1.37", strict=True)
            except (
                jsonschema.ValidationError,
                kubernetes_validate.ValidationError,
                subprocess.CalledProcessError,
            ) as error:
                print(f"FAILED   {name}: {error}")
                failed += 1
            else:
                print(f"passed   {name}")
                passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
