"""The model: `init()` once at the start, `run(request)` for each request."""

import hashlib
import os
from pathlib import Path

import numpy as np

from digits_service.inputs import Question, parse

NAME = os.environ.get("MODEL_NAME", "digits")

_layers = None


class NoModel(RuntimeError):
    """There is nothing to answer with yet."""


def model_path() -> Path | None:
    """Where the model is, if it is: MODEL_DIR, else MODELS_DIR/<name>."""
    folders = [os.environ.get("MODEL_DIR"), os.environ.get("MODELS_DIR") and Path(os.environ["MODELS_DIR"], NAME)]
    paths = [Path(folder) / "model.npz" for folder in folders if folder]
    return next((path for path in paths if path.is_file()), None)


def init() -> dict:
    """Loads the model. The answer says what was loaded; NoModel says that there is none."""
    global _layers
    path = model_path()
    if path is None:
        raise NoModel("no model yet")
    _layers = layers(path)
    return {"digest": digest(path.parent), "runtime": {"numpy": np.__version__}}


def layers(path: Path) -> list:
    """The weights and the bias of each layer. Only numbers are read: an array of objects would be code."""
    with np.load(path, allow_pickle=False) as file:
        count = sum(name.startswith("w") for name in file.files)
        return [(file[f"w{number}"], file[f"b{number}"]) for number in range(count)]


def ask(rows: np.ndarray) -> np.ndarray:
    """The probability of each digit for each row of raw pixels."""
    *hidden, (weights, bias) = _layers
    for inner, offset in hidden:
        rows = np.maximum(rows @ inner + offset, 0)
    said = rows @ weights + bias
    said = np.exp(said - said.max(axis=1, keepdims=True))
    return said / said.sum(axis=1, keepdims=True)


def run(request) -> dict:
    """The answer to a decoded JSON body. BadRequest says what is wrong with it."""
    return answer(parse(request))


def answer(question: Question) -> dict:
    """Labels, and scores where they are asked for: lists, or objects where the rows have names."""
    if _layers is None:
        raise NoModel("no model yet")
    scores = ask(question.rows)
    parts = {"labels": scores.argmax(axis=1).tolist()}
    if question.scores:
        parts["scores"] = scores.tolist()
    if question.keys is None:
        return parts
    return {name: dict(zip(question.keys, values, strict=True)) for name, values in parts.items()}


def counted(answer: dict) -> list:
    """The labels of an answer, which /metrics counts."""
    labels = answer["labels"]
    return list(labels.values()) if isinstance(labels, dict) else labels


def digest(folder: Path) -> str:
    """The digest of a model: sha256 over one line `<sha256> <bytes> <path>` a file, sorted by path."""
    lines = []
    for path in (found for found in folder.rglob("*") if found.is_file()):
        body = path.read_bytes()
        lines.append((path.relative_to(folder).as_posix(), hashlib.sha256(body).hexdigest(), len(body)))
    text = "".join(f"{sha} {size} {name}\n" for name, sha, size in sorted(lines))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
