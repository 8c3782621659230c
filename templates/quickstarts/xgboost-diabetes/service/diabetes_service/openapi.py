"""The API in OpenAPI 3.1, served at /openapi.json."""

from diabetes_service.inputs import COLUMNS, FEATURES, ROWS_MAX

ROW = {
    "description": f"{len(COLUMNS)} measures in this order: {', '.join(COLUMNS)}.",
    "type": "array",
    "minItems": len(COLUMNS),
    "maxItems": len(COLUMNS),
    "items": {"type": "number"},
}
RECORD = {
    "description": "The same measures by name.",
    "type": "object",
    "required": COLUMNS,
    "properties": {
        name: {"type": "number", "minimum": least, "maximum": most} for name, (least, most) in FEATURES.items()
    },
    "additionalProperties": False,
}


def ref(name: str) -> dict:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(item: dict) -> dict:
    return {"type": "array", "minItems": 1, "maxItems": ROWS_MAX, "items": item}


def form(required: list, **properties) -> dict:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def answered(description: str, schema: dict) -> dict:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def get(operation: str, summary: str, responses: dict) -> dict:
    return {"get": {"operationId": operation, "summary": summary, "responses": responses}}


ERROR = answered("Why not", ref("Error"))
EXAMPLE = [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.86, 87]
VALUE = {"description": "How far the illness goes in a year.", "type": "number"}

PREDICT = {
    "post": {
        "operationId": "predict",
        "summary": "Foretell how far diabetes goes in a year",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref("Request"),
                    "examples": {
                        "rows": {"value": {"rows": [EXAMPLE]}},
                        "records": {"value": {"data": [dict(zip(COLUMNS, EXAMPLE, strict=True))]}},
                        "named": {"value": {"inputs": {"first": EXAMPLE, "second": EXAMPLE}}},
                    },
                }
            },
        },
        "responses": {
            "200": answered("One value per row, in the same order or under the same names", ref("Answer")),
            "400": ERROR,
            "413": ERROR,
            "500": ERROR,
            "503": answered("No model yet", ref("Error")),
        },
    }
}

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {
        "title": "diabetes-service",
        "version": "1",
        "description": "Foretells how far diabetes goes in a year. No medical device.",
    },
    "servers": [{"url": "/"}],
    "security": [{"key": []}, {}],
    "paths": {
        "/v1/predict": PREDICT,
        "/healthz": get("healthz", "The process lives", {"200": answered("It does", {"type": "object"})}),
        "/readyz": get(
            "readyz",
            "A model is loaded",
            {"200": answered("It is", {"type": "object"}), "503": answered("Not yet", ref("Error"))},
        ),
        "/version": get(
            "version", "Which model answers", {"200": answered("Name, version and digest", ref("Version"))}
        ),
        "/metrics": get(
            "metrics",
            "Counters for Prometheus",
            {"200": {"description": "Text", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        ),
        "/openapi.json": get("openapi", "This document", {"200": answered("OpenAPI 3.1", {"type": "object"})}),
    },
    "components": {
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "The key of the environment, where it asks for one.",
            }
        },
        "schemas": {
            "Request": {"oneOf": [ref("Rows"), ref("Records"), ref("Split"), ref("Named")]},
            "Rows": form(["rows"], rows=listed(ref("Row"))),
            "Records": form(["data"], data=listed(ref("Record"))),
            "Split": form(
                ["columns", "data"],
                columns={
                    "type": "array",
                    "minItems": len(COLUMNS),
                    "maxItems": len(COLUMNS),
                    "uniqueItems": True,
                    "items": {"enum": COLUMNS},
                },
                data=listed(ref("Row")),
            ),
            "Named": form(
                ["inputs"],
                inputs={
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": ROWS_MAX,
                    "additionalProperties": {"oneOf": [ref("Row"), ref("Record")]},
                },
            ),
            "Row": ROW,
            "Record": RECORD,
            "Answer": {
                "type": "object",
                "required": ["values"],
                "properties": {
                    "values": {
                        "oneOf": [{"type": "array", "items": VALUE}, {"type": "object", "additionalProperties": VALUE}]
                    }
                },
            },
            "Version": {
                "type": "object",
                "required": ["service", "model", "version", "digest", "ready"],
                "properties": {
                    "service": {"type": "string"},
                    "model": {"type": "string"},
                    "version": {"type": ["string", "null"]},
                    "digest": {"type": ["string", "null"]},
                    "ready": {"type": "boolean"},
                    "runtime": {"type": "object"},
                },
            },
            "Error": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"description": "Why, in words.", "type": "string"}},
            },
        },
    },
}
