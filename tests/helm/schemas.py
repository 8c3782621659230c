#!/usr/bin/env python3
"""Makes strict JSON schemas from the description that Kubernetes publishes of itself.

schemas.py SWAGGER OUT: one file for each kind, named as kubeconform looks for it; an unknown field is an error.
"""
import json
import pathlib
import sys

PREFIX = "#/definitions/"
# Written as text in the description, and taken as numbers too.
LOOSE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}
KEPT = ("type", "properties", "required", "items", "additionalProperties", "enum", "$ref")


def strict(node):
    """The same shape with what a validator needs, closed where fields are named."""
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    out = {key: node[key] for key in KEPT if key in node}
    if "properties" in out:
        out["properties"] = {name: strict(one) for name, one in out["properties"].items()}
        out.setdefault("additionalProperties", False)
    if isinstance(out.get("items"), dict):
        out["items"] = strict(out["items"])
    if isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = strict(out["additionalProperties"])
    return out


def reached(node, found):
    """Names of all definitions below."""
    if isinstance(node, dict):
        name = node.get("$ref", "")
        if isinstance(name, str) and name.startswith(PREFIX) and name[len(PREFIX):] not in found:
            found.add(name[len(PREFIX):])
            reached(DEFINITIONS[name[len(PREFIX):]], found)
        for one in node.values():
            reached(one, found)
    elif isinstance(node, list):
        for one in node:
            reached(one, found)
    return found


swagger, out = map(pathlib.Path, sys.argv[1:3])
raw = json.loads(swagger.read_text())["definitions"]
DEFINITIONS = {name: LOOSE.get(name) or strict(one) for name, one in raw.items()}
out.mkdir(parents=True, exist_ok=True)
count = 0
for name, one in raw.items():
    kinds = one.get("x-kubernetes-group-version-kind", [])
    if len(kinds) != 1 or "kind" not in one.get("properties", {}):
        continue
    kind = kinds[0]
    group = kind["group"].split(".")[0]
    of = [kind["kind"].lower()] + ([group] if group else []) + [kind["version"].lower()]
    schema = json.loads(json.dumps(DEFINITIONS[name]))
    wanted = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    schema["properties"]["apiVersion"] = {"enum": [wanted]}
    schema["properties"]["kind"] = {"enum": [kind["kind"]]}
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind"})
    schema["definitions"] = {name: DEFINITIONS[name] for name in sorted(reached(schema, set()))}
    (out / ("-".join(of) + ".json")).write_text(json.dumps(schema))
    count += 1
print(f"{count} schemas in {out}")
