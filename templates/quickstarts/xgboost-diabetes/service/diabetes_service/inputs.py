"""What a request may look like, and the rows of numbers in it.

Every form ends as one array, rows × 10, of raw measures in the order of FEATURES.
"""

from dataclasses import dataclass

import numpy as np

# The columns of the training data, in its order, and what is taken for possible in each.
FEATURES = {
    "age": (0, 120),  # years
    "sex": (1, 2),  # as the data has it, without saying which is which
    "bmi": (10, 80),  # kg/m²
    "bp": (30, 250),  # mean blood pressure, mmHg
    "tc": (50, 600),  # total cholesterol, mg/dl
    "ldl": (10, 500),  # low-density lipoproteins, mg/dl
    "hdl": (5, 200),  # high-density lipoproteins, mg/dl
    "tch": (1, 30),  # total cholesterol / hdl
    "ltg": (2, 9),  # logarithm of the triglycerides
    "glu": (20, 600),  # blood sugar, mg/dl
}
COLUMNS = list(FEATURES)
ROWS_MAX = 10_000
FORMS = ("rows", "data", "inputs")


class BadRequest(ValueError):
    """The request cannot be answered; the text tells its sender why."""


@dataclass(frozen=True)
class Question:
    """Rows to answer, and their names."""

    rows: np.ndarray
    keys: list | None  # the names of the rows, where the request gave them names


def parse(request) -> Question:
    """The question in a JSON body that is decoded already."""
    if not isinstance(request, dict):
        raise BadRequest(f'the body must be a JSON object, for example {{"rows": [[{len(COLUMNS)} numbers]]}}')
    unknown = sorted(set(request) - {*FORMS, "columns"})
    if unknown:
        raise BadRequest(f"unknown key {unknown[0]!r}; known are {', '.join(FORMS)} and columns")
    given = [form for form in FORMS if form in request]
    if len(given) != 1:
        raise BadRequest(f"give exactly one of {', '.join(FORMS)}, not {' and '.join(given) or 'none'}")
    if "columns" in request and given != ["data"]:
        raise BadRequest("columns belong to data")

    keys = None
    value = request[given[0]]
    if given == ["inputs"]:
        if not isinstance(value, dict):
            raise BadRequest(f'inputs must be an object of named rows, for example {{"a": [{len(COLUMNS)} numbers]}}')
        keys, value = list(value), list(value.values())
    if not isinstance(value, list) or not value:
        raise BadRequest(f"{given[0]} must hold at least one row")
    if len(value) > ROWS_MAX:
        raise BadRequest(f"{len(value)} rows in one request; at most {ROWS_MAX} are answered")

    order = column_order(request["columns"]) if "columns" in request else None
    return Question(numbers([row(item, order) for item in value]), keys)


def parse_bytes(_body: bytes) -> Question:
    """A body that is no JSON: there is no such form here."""
    raise BadRequest("send JSON; measures have no binary form")


def row(item, order: list | None):
    """One row in any of its forms, as numbers in the model's order."""
    if isinstance(item, dict):
        wrong = [f"missing {name}" for name in COLUMNS if name not in item]
        wrong += [f"unknown {name!r}" for name in item if name not in FEATURES]
        if wrong:
            raise BadRequest(f"a record has the {len(COLUMNS)} measures of /openapi.json and nothing else; {wrong[0]}")
        return [item[name] for name in COLUMNS]
    if not isinstance(item, list) or len(item) != len(COLUMNS):
        got = f"{len(item)} values" if isinstance(item, list) else type(item).__name__
        raise BadRequest(f"a row is {len(COLUMNS)} numbers; got {got}")
    return item if order is None else [item[i] for i in order]


def column_order(columns) -> list:
    """Where each measure stands in rows of named columns."""
    if not isinstance(columns, list) or sorted(map(str, columns)) != sorted(COLUMNS):
        raise BadRequest(f"columns must name the {len(COLUMNS)} measures of /openapi.json, each once")
    return [columns.index(name) for name in COLUMNS]


def numbers(rows: list) -> np.ndarray:
    """The rows as an array, refused where a value is no number or no possible measure."""
    try:
        array = np.asarray(rows)
    except ValueError:
        raise BadRequest("every value of a row must be a number") from None
    if array.dtype.kind not in "iuf":
        raise BadRequest("every value of a row must be a number")
    array = array.astype(np.float64)
    for column, (name, (least, most)) in enumerate(FEATURES.items()):
        values = array[:, column]
        if not ((values >= least) & (values <= most)).all():  # not a number is neither
            raise BadRequest(f"{name} goes from {least} to {most}")
    return array
