"""The model: `init()` once at the start, `run(request)` for each request."""

import hashlib
import os
from pathlib import Path

from digits_service.inputs import Question, parse

NAME = os.environ.get("MODEL_NAME", "digits")

_session = None


class NoModel(RuntimeError):
    """There is nothing to answer with yet."""


def model_path() -> Path | None:
    """Where the model is, if it is: MODEL_DIR, else MODELS_DIR/<name>."""
    folders = [os.environ.get("MODEL_DIR"), os.environ.get("MODELS_DIR") and Path(os.environ["MODELS_DIR"], NAME)]
    paths = [Path(folder) / "model.onnx" for folder in folders if folder]
    return next((path for path in paths if path.is_file()), None)


def init() -> dict:
    """Loads the model. The answer says what was loaded; NoModel says that there is none."""
    global _session
    path = model_path()
    if path is None:
        raise NoModel("no model yet")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime reports to its maker
    import onnxruntime  # here, because a service without a model need not wait for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    options.inter_op_num_threads = 1
    _session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return {"digest": digest(path.parent), "runtime": {"onnxruntime": onnxruntime.__version__}}


def run(request) -> dict:
    """The answer to a decoded JSON body. BadRequest says what is wrong with it."""
    return answer(parse(request))


def answer(question: Question) -> dict:
    """Labels, and scores where they are asked for: lists, or objects where the rows have names."""
    if _session is None:
        raise NoModel("no model yet")
    names = {"label": "labels", "scores": "scores"} if question.scores else {"label": "labels"}
    said = _session.run(list(names), {"rows": question.rows})
    parts = {name: part.tolist() for name, part in zip(names.values(), said, strict=True)}
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
