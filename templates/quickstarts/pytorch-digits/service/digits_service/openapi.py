"""The API in OpenAPI 3.1, served at /openapi.json."""

from digits_service.inputs import COLUMNS, INK_MAX, PIXELS, ROWS_MAX

PIXEL = {"type": "number", "minimum": 0, "maximum": INK_MAX}
ROW = {
    "description": "8 lines of 8 pixels, from 0 (paper) to 16 (ink).",
    "type": "array",
    "minItems": PIXELS,
    "maxItems": PIXELS,
    "items": PIXEL,
}
RECORD = {
    "description": "The same pixels by name.",
    "type": "object",
    "required": COLUMNS,
    "properties": {name: PIXEL for name in COLUMNS},
    "additionalProperties": False,
}
IMAGE = {
    "description": "64 bytes, one per pixel, 0 (paper) to 255 (ink), in base64.",
    "type": "string",
    "contentEncoding": "base64",
}
SCORES = {"description": "Answer with one score per digit as well.", "type": "boolean", "default": False}


def ref(name: str) -> dict:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(item: dict) -> dict:
    return {"type": "array", "minItems": 1, "maxItems": ROWS_MAX, "items": item}


def form(required: list, **properties) -> dict:
    return {
        "type": "object",
        "required": required,
        "properties": {**properties, "scores": ref("Scores")},
        "additionalProperties": False,
    }


def answered(description: str, schema: dict) -> dict:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def get(operation: str, summary: str, responses: dict) -> dict:
    return {"get": {"operationId": operation, "summary": summary, "responses": responses}}


ERROR = answered("Why not", ref("Error"))
BLANK = [0] * PIXELS
LABEL = {"type": "integer", "minimum": 0, "maximum": 9}
SCORE = {
    "description": "One number per digit; the highest is the answer's.",
    "type": "array",
    "items": {"type": "number"},
}

PREDICT = {
    "post": {
        "operationId": "predict",
        "summary": "Read handwritten digits",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref("Request"),
                    "examples": {
                        "rows": {"value": {"rows": [BLANK]}},
                        "records": {"value": {"data": [dict.fromkeys(COLUMNS, 0)]}},
                        "named": {"value": {"inputs": {"first": BLANK, "second": BLANK}, "scores": True}},
                    },
                },
                "application/octet-stream": {
                    "schema": {"description": "64 bytes an image, 0 (paper) to 255 (ink), one after the other."}
                },
            },
        },
        "responses": {
            "200": answered("One label per row, in the same order or under the same names", ref("Answer")),
            "400": ERROR,
            "413": ERROR,
            "500": ERROR,
            "503": answered("No model yet", ref("Error")),
        },
    }
}

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "digits-service", "version": "1", "description": "Reads handwritten digits of 8 × 8 pixels."},
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
            "Request": {"oneOf": [ref("Rows"), ref("Records"), ref("Split"), ref("Images"), ref("Named")]},
            "Rows": form(["rows"], rows=listed(ref("Row"))),
            "Records": form(["data"], data=listed(ref("Record"))),
            "Split": form(
                ["columns", "data"],
                columns={
                    "type": "array",
                    "minItems": PIXELS,
                    "maxItems": PIXELS,
                    "uniqueItems": True,
                    "items": {"enum": COLUMNS},
                },
                data=listed(ref("Row")),
            ),
            "Images": form(["images"], images=listed(ref("Image"))),
            "Named": form(
                ["inputs"],
                inputs={
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": ROWS_MAX,
                    "additionalProperties": {"oneOf": [ref("Row"), ref("Record"), ref("Image")]},
                },
            ),
            "Row": ROW,
            "Record": RECORD,
            "Image": IMAGE,
            "Scores": SCORES,
            "Answer": {
                "type": "object",
                "required": ["labels"],
                "properties": {
                    "labels": {
                        "oneOf": [{"type": "array", "items": LABEL}, {"type": "object", "additionalProperties": LABEL}]
                    },
                    "scores": {
                        "oneOf": [{"type": "array", "items": SCORE}, {"type": "object", "additionalProperties": SCORE}]
                    },
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
