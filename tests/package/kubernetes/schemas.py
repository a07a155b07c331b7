"""schemas.py FROM TO: writes a JSON schema for each kind that Kubernetes' OpenAPI v3 documents in FROM describe, for kubeconform -strict:
TO/KIND-GROUP-VERSION.json, which refuses members that are not described."""

import json
import pathlib
import re
import sys

PREFIX = "#/components/schemas/"


def convert(value, name=None):
    """A part of an OpenAPI document as JSON schema; `name` is set where it is a member's name of "properties"."""
    if isinstance(value, list):
        return [convert(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return {"$ref": "#/definitions/" + value["$ref"].removeprefix(PREFIX)}
    # a member with a default has its reference in allOf
    if len(value.get("allOf", [])) == 1:
        return convert(value["allOf"][0])
    if value.get("format") == "int-or-string":
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    result = {key: convert(item) for key, item in value.items() if key in ("type", "items", "required", "enum", "oneOf")}
    for key in ("properties",):
        if key in value:
            result[key] = {member: convert(item) for member, item in value[key].items()}
            result["additionalProperties"] = False
    if isinstance(value.get("additionalProperties"), dict):
        result["additionalProperties"] = convert(value["additionalProperties"])
    return result


def main(source, target):
    target.mkdir(parents=True)
    for path in sorted(source.glob("**/*.json")):
        schemas = json.loads(path.read_text())["components"]["schemas"]
        definitions = {name: convert(schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                group = re.sub(r"\..*", "", kind["group"])
                file = "-".join(word for word in (kind["kind"].lower(), group, kind["version"]) if word) + ".json"
                text = json.dumps({"$ref": "#/definitions/" + name, "definitions": definitions})
                (target / file).write_text(text)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
