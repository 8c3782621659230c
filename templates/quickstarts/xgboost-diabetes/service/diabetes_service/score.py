"""The model: `init()` once at the start, `run(request)` for each request."""

import hashlib
import os
from pathlib import Path

from diabetes_service.inputs import Question, parse

NAME = os.environ.get("MODEL_NAME", "diabetes")
BAND = 50  # /metrics counts answers by bands of this width

_booster = None


class NoModel(RuntimeError):
    """There is nothing to answer with yet."""


def model_path() -> Path | None:
    """Where the model is, if it is: MODEL_DIR, else MODELS_DIR/<name>."""
    folders = [os.environ.get("MODEL_DIR"), os.environ.get("MODELS_DIR") and Path(os.environ["MODELS_DIR"], NAME)]
    paths = [Path(folder) / "model.json" for folder in folders if folder]
    return next((path for path in paths if path.is_file()), None)


def init() -> dict:
    """Loads the model. The answer says what was loaded; NoModel says that there is none."""
    global _booster
    path = model_path()
    if path is None:
        raise NoModel("no model yet")
    import xgboost  # here, because a service without a model need not wait for it

    _booster = xgboost.Booster({"nthread": int(os.environ.get("OMP_NUM_THREADS", "1"))}, model_file=str(path))
    return {"digest": digest(path.parent), "runtime": {"xgboost": xgboost.__version__}}


def run(request) -> dict:
    """The answer to a decoded JSON body. BadRequest says what is wrong with it."""
    return answer(parse(request))


def answer(question: Question) -> dict:
    """One value a row: a list, or an object where the rows have names."""
    if _booster is None:
        raise NoModel("no model yet")
    values = _booster.inplace_predict(question.rows, validate_features=False).tolist()
    return {"values": values if question.keys is None else dict(zip(question.keys, values, strict=True))}


def counted(answer: dict) -> list:
    """The band that each value is in, such as `100 to 150`, which /metrics counts."""
    values = answer["values"]
    lows = [int(value // BAND) * BAND for value in (values.values() if isinstance(values, dict) else values)]
    return [f"{low} to {low + BAND}" for low in lows]


def digest(folder: Path) -> str:
    """The digest of a model: sha256 over one line `<sha256> <bytes> <path>` a file, sorted by path."""
    lines = []
    for path in (found for found in folder.rglob("*") if found.is_file()):
        body = path.read_bytes()
        lines.append((path.relative_to(folder).as_posix(), hashlib.sha256(body).hexdigest(), len(body)))
    text = "".join(f"{sha} {size} {name}\n" for name, sha, size in sorted(lines))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
