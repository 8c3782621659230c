"""What a request may look like, and the rows of numbers in it.

Every form ends as one array, rows × 64, of raw pixels: 0 is paper, 16 is ink. The scaling is inside the model.
"""

import base64
import binascii
from dataclasses import dataclass

import numpy as np

PIXELS = 64
INK_MAX = 16
ROWS_MAX = 10_000
COLUMNS = [f"pixel_{i}" for i in range(PIXELS)]
FORMS = ("rows", "data", "images", "inputs")


class BadRequest(ValueError):
    """The request cannot be answered; the text tells its sender why."""


@dataclass(frozen=True)
class Question:
    """Rows to answer, and how to answer them."""

    rows: np.ndarray
    keys: list | None  # the names of the rows, where the request gave them names
    scores: bool


def parse(request) -> Question:
    """The question in a JSON body that is decoded already."""
    if not isinstance(request, dict):
        raise BadRequest('the body must be a JSON object, for example {"rows": [[64 numbers]]}')
    unknown = sorted(set(request) - {*FORMS, "columns", "scores"})
    if unknown:
        raise BadRequest(f"unknown key {unknown[0]!r}; known are {', '.join(FORMS)}, columns and scores")
    given = [form for form in FORMS if form in request]
    if len(given) != 1:
        raise BadRequest(f"give exactly one of {', '.join(FORMS)}, not {' and '.join(given) or 'none'}")
    if "columns" in request and given != ["data"]:
        raise BadRequest("columns belong to data")
    scores = request.get("scores", False)
    if not isinstance(scores, bool):
        raise BadRequest("scores must be true or false")

    keys = None
    value = request[given[0]]
    if given == ["inputs"]:
        if not isinstance(value, dict):
            raise BadRequest('inputs must be an object of named rows, for example {"a": [64 numbers]}')
        keys, value = list(value), list(value.values())
    if not isinstance(value, list) or not value:
        raise BadRequest(f"{given[0]} must hold at least one row")
    if len(value) > ROWS_MAX:
        raise BadRequest(f"{len(value)} rows in one request; at most {ROWS_MAX} are answered")

    order = column_order(request["columns"]) if "columns" in request else None
    if given == ["images"] and not all(isinstance(item, str) for item in value):
        raise BadRequest("images must be base64 texts")
    return Question(numbers([row(item, order) for item in value]), keys, scores)


def parse_bytes(body: bytes) -> Question:
    """The question in a binary body: one image after the other, 64 bytes each."""
    if not body or len(body) % PIXELS:
        raise BadRequest(f"a binary body is a multiple of {PIXELS} bytes, one per pixel; got {len(body)}")
    if len(body) > ROWS_MAX * PIXELS:
        raise BadRequest(f"{len(body) // PIXELS} images in one request; at most {ROWS_MAX} are answered")
    return Question(grey(np.frombuffer(body, dtype=np.uint8).reshape(-1, PIXELS)), None, False)


def row(item, order: list | None):
    """One row in any of its forms, as 64 numbers in the model's order."""
    if isinstance(item, dict):
        wrong = [f"missing {name}" for name in COLUMNS if name not in item]
        wrong += [f"unknown {name!r}" for name in item if name not in COLUMNS]
        if wrong:
            raise BadRequest(f"a record has pixel_0 to pixel_63 and nothing else; {wrong[0]}")
        return [item[name] for name in COLUMNS]
    if isinstance(item, str):
        try:
            body = base64.b64decode(item, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("an image must be base64 of 64 bytes") from None
        if len(body) != PIXELS:
            raise BadRequest(f"an image is 8 × 8 = {PIXELS} bytes, one per pixel, 0 to 255; got {len(body)}")
        return grey(np.frombuffer(body, dtype=np.uint8)).tolist()
    if not isinstance(item, list) or len(item) != PIXELS:
        got = f"{len(item)} values" if isinstance(item, list) else type(item).__name__
        raise BadRequest(f"a row is {PIXELS} numbers; got {got}")
    return item if order is None else [item[i] for i in order]


def column_order(columns) -> list:
    """Where each pixel stands in rows of named columns."""
    if not isinstance(columns, list) or sorted(map(str, columns)) != sorted(COLUMNS):
        raise BadRequest("columns must name pixel_0 to pixel_63, each once")
    return [columns.index(name) for name in COLUMNS]


def numbers(rows: list) -> np.ndarray:
    """The rows as an array, refused where a value is no number or no possible pixel."""
    try:
        array = np.asarray(rows)
    except ValueError:
        raise BadRequest("every value of a row must be a number") from None
    if array.dtype.kind not in "iuf":
        raise BadRequest("every value of a row must be a number")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > INK_MAX:
        raise BadRequest(f"pixels go from 0 (paper) to {INK_MAX} (ink); scale other ranges, 255 for example, to that")
    return array.astype(np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    """Bytes from 0 (paper) to 255 (ink), on the scale of the model."""
    return image.astype(np.float32) * np.float32(INK_MAX / 255)
