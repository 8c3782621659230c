"""Train a classifier of handwritten digits and export it, scaling included, as one ONNX file.

Reads data/train.csv beside this file, writes $OUTPUTS_DIR/model/model.onnx and nothing else.
The same data, settings and package versions give the same bytes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is imported; more threads make this small fit slower
os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read when onnxruntime is imported, which else reports to its maker

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

PIXELS = 64
CLASSES = 10
INK_MAX = 16
VALIDATION_SHARE = 0.1
DATA = Path(__file__).resolve().parent / "data" / "train.csv"


@dataclass(frozen=True)
class Settings:
    """What `env` of the contract, or `/train C=2.0` on a pull request, can change."""

    seed: int = 0  # which rows are kept for validation, and the order of the others
    c: float = 1.0  # penalty of the support vector machine: smaller is smoother

    @staticmethod
    def from_env(env) -> "Settings":
        seed, c = int(env.get("SEED", Settings.seed)), float(env.get("C", Settings.c))
        if seed < 0 or not c > 0:
            raise SystemExit(f"SEED must be 0 or more and C above 0, not SEED={seed} C={c}")
        return Settings(seed, c)


def main() -> None:
    settings = Settings.from_env(os.environ)
    model_dir = Path(os.environ.get("OUTPUTS_DIR", "outputs")) / "model"

    images, labels = read(DATA)
    print(f"{len(labels)} rows of {DATA.name}; SEED {settings.seed}, C {settings.c}", flush=True)
    report(0.2)

    kept, held = split(len(labels), settings.seed)
    pipeline = fit(images[kept], labels[kept], settings.c)
    print(f"train_accuracy={pipeline.score(images[kept], labels[kept]):.4f}", flush=True)
    print(f"validation_accuracy={pipeline.score(images[held], labels[held]):.4f}", flush=True)
    report(0.5)

    exported = export(pipeline)
    report(0.8)

    compare(exported, pipeline, images)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "model.onnx").write_bytes(exported)
    print(f"model_bytes={len(exported)}")
    report(1.0)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images (rows × 64, 0 is paper and 16 is ink) and their labels."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if table.shape[1] != 1 + PIXELS:
        raise SystemExit(f"{path} has {table.shape[1]} columns, expected label and {PIXELS} pixels")
    labels, images = table[:, 0].astype(np.int64), table[:, 1:]
    if images.min() < 0 or images.max() > INK_MAX:
        raise SystemExit(f"{path} has pixels outside 0 to {INK_MAX}")
    if set(labels) != set(range(CLASSES)):
        raise SystemExit(f"{path} has labels {sorted(set(labels.tolist()))}, expected each of 0 to 9")
    return images, labels


def split(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit on, and to validate on."""
    order = np.random.RandomState(seed).permutation(rows)
    held = int(rows * VALIDATION_SHARE)
    return order[held:], order[:held]


def fit(images: np.ndarray, labels: np.ndarray, c: float) -> Pipeline:
    """Scaler and classifier as one thing, so that the service can never scale differently."""
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", SVC(C=c))])
    return pipeline.fit(images, labels)


def export(pipeline: Pipeline) -> bytes:
    """The whole pipeline as ONNX: `rows` in; `label` and one `scores` per class out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # skl2onnx still asks SVC for attributes on their way out
        model = to_onnx(
            pipeline,
            name="digits",  # left out, it would be random, and the bytes would differ each time
            initial_types=[("rows", FloatTensorType([None, PIXELS]))],
            final_types=[("label", Int64TensorType([None])), ("scores", FloatTensorType([None, CLASSES]))],
            options={id(pipeline): {"zipmap": False}},
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)  # they come out of a set, in an order that differs from process to process
    return model.SerializeToString(deterministic=True)


def compare(exported: bytes, pipeline: Pipeline, images: np.ndarray) -> None:
    """Ends the run where the exported model does not say what the trained one says."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    said = session.run(["label"], {"rows": images.astype(np.float32)})[0]
    different = int((said != pipeline.predict(images)).sum())
    print(f"export_differences={different}", flush=True)
    if different > len(images) // 1000:
        raise SystemExit(f"the exported model answers {different} of {len(images)} rows differently")


def report(progress: float) -> None:
    print(f"progress={progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
