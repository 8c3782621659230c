"""Judge a model on rows that no training saw.

Gets MODEL_DIR (model.npz), DATA_DIR (test.csv) and OUTPUTS_DIR; needs no network and nothing of train.py, so that a
change of the training cannot change its own judgement. The live model is judged by this same file on the same rows.

Writes metrics.json (flat), samples.jsonl (raw inputs with the model's own answers; the service must give the same),
schema.json (what a request looks like) and plots/confusion.svg.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is imported

import json
import sys
from pathlib import Path

import numpy as np

PIXELS = 64
CLASSES = 10
INK_MAX = 16
SAMPLES_PER_DIGIT = 3
SCORE_TOLERANCE = 0.001


def main() -> None:
    model = Path(os.environ["MODEL_DIR"]) / "model.npz"
    outputs = Path(os.environ["OUTPUTS_DIR"])
    images, truth = read(Path(os.environ["DATA_DIR"]) / "test.csv")
    print("progress=0.2", flush=True)

    answers, scores = ask(model, images)
    print("progress=0.7", flush=True)

    counted = confusion(truth, answers)
    metrics = measure(counted)
    (outputs / "plots").mkdir(parents=True, exist_ok=True)
    write(outputs / "metrics.json", json.dumps(metrics, indent=2))
    write(outputs / "samples.jsonl", "\n".join(json.dumps(line) for line in samples(images, truth, answers, scores)))
    write(outputs / "schema.json", json.dumps(SCHEMA, indent=2))
    write(outputs / "plots" / "confusion.svg", draw(counted, metrics["accuracy"]))
    constant = metrics["baseline.accuracy"]
    print(f"accuracy {metrics['accuracy']:.4f} on {len(truth)} rows; {constant:.4f} by a constant answer")
    print("progress=1.0", flush=True)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The held-out images and their true labels."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if table.shape[1] != 1 + PIXELS:
        raise SystemExit(f"{path} has {table.shape[1]} columns, expected label and {PIXELS} pixels")
    return table[:, 1:], table[:, 0].astype(np.int64)


def ask(path: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The model's label for each image, and its probability of each digit."""
    with np.load(path, allow_pickle=False) as file:  # only numbers: an array of objects would be code
        count = sum(name.startswith("w") for name in file.files)
        *hidden, (weights, bias) = [(file[f"w{number}"], file[f"b{number}"]) for number in range(count)]
    rows = images.astype(np.float32)
    for inner, offset in hidden:
        rows = np.maximum(rows @ inner + offset, 0)
    said = rows @ weights + bias
    if said.shape != (len(images), CLASSES) or not np.isfinite(said).all():
        raise SystemExit(f"the model answers {said.shape} to {len(images)} rows, or numbers that are not finite")
    said = np.exp(said - said.max(axis=1, keepdims=True))
    scores = said / said.sum(axis=1, keepdims=True)
    return scores.argmax(axis=1), scores


def confusion(truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """How often each digit (row) was read as each digit (column)."""
    counted = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    np.add.at(counted, (truth, answers), 1)
    return counted


def measure(counted: np.ndarray) -> dict:
    """Accuracy, macro F1, recall of each digit, and what the commonest digit as the only answer would reach."""
    of_digit, rows = counted.sum(axis=1), int(counted.sum())
    constant = np.zeros_like(counted)
    constant[:, int(of_digit.argmax())] = of_digit
    return {
        "accuracy": accuracy(counted),
        "f1": macro_f1(counted),
        "n_test": rows,
        "baseline.accuracy": accuracy(constant),
        "baseline.f1": macro_f1(constant),
        **{
            f"recall.{digit}": round(int(counted[digit, digit]) / max(int(of_digit[digit]), 1), 6)
            for digit in range(CLASSES)
        },
    }


def accuracy(counted: np.ndarray) -> float:
    return round(int(np.trace(counted)) / int(counted.sum()), 6)


def macro_f1(counted: np.ndarray) -> float:
    """The mean over digits of 2·hits / (times it was + times it was answered)."""
    either = counted.sum(axis=0) + counted.sum(axis=1)
    return round(float(np.mean(2 * np.diag(counted) / np.maximum(either, 1))), 6)


def samples(images: np.ndarray, truth: np.ndarray, answers: np.ndarray, scores: np.ndarray):
    """The first rows of each digit, with the model's answer, right or wrong; then one of each digit with its scores."""
    firsts = [np.flatnonzero(truth == digit)[:SAMPLES_PER_DIGIT] for digit in range(CLASSES)]
    for row in np.concatenate(firsts):
        yield {"input": {"rows": [pixels(images[row])]}, "output": {"labels": [int(answers[row])]}, "tolerance": 0}
    for row in (rows[0] for rows in firsts if len(rows)):
        yield {
            "input": {"rows": [pixels(images[row])], "scores": True},
            "output": {"labels": [int(answers[row])], "scores": [[round(float(s), 6) for s in scores[row]]]},
            "tolerance": SCORE_TOLERANCE,
        }


def pixels(image: np.ndarray) -> list:
    return [int(v) if v == int(v) else float(v) for v in image]


def draw(counted: np.ndarray, reached: float) -> str:
    """The confusion matrix as a picture that needs nothing from outside, on its own background."""
    cell, left, top = 34, 64, 66
    width, height = left + CLASSES * cell + 18, top + CLASSES * cell + 18
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13" text-anchor="middle">',
        "<title>Confusion matrix</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{width // 2}" y="22" fill="#1f2328" font-weight="bold">'
        f"accuracy {reached:.4f} on {counted.sum()} rows</text>",
        f'<text x="{left + CLASSES * cell // 2}" y="42" fill="#59636e">read as</text>',
        f'<text transform="translate(20 {top + CLASSES * cell // 2}) rotate(-90)" fill="#59636e">digit</text>',
    ]
    for digit in range(CLASSES):
        middle = digit * cell + cell // 2
        parts.append(f'<text x="{left + middle}" y="{top - 8}" fill="#1f2328">{digit}</text>')
        parts.append(f'<text x="{left - 14}" y="{top + middle + 5}" fill="#1f2328">{digit}</text>')
    for (digit, said), count in np.ndenumerate(counted):
        x, y = left + said * cell, top + digit * cell
        share = count / max(int(counted[digit].sum()), 1)
        colour = tint((26, 127, 55), share) if digit == said else tint((207, 34, 46), 4 * share)
        parts.append(f'<rect x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" fill="{colour}"/>')
        if count:
            ink = "#ffffff" if share > 0.5 else "#1f2328"
            parts.append(f'<text x="{x + cell // 2 - 1}" y="{y + cell // 2 + 4}" fill="{ink}">{count}</text>')
    return "\n".join([*parts, "</svg>"])


def tint(colour: tuple, strength: float) -> str:
    """The colour mixed into light grey."""
    s = min(max(float(strength), 0.0), 1.0)
    return "#" + "".join(f"{round(246 + (part - 246) * s):02x}" for part in colour)


def write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Images of handwritten digits",
    "type": "object",
    "required": ["rows"],
    "properties": {
        "rows": {
            "description": "One list of 64 numbers an image: 8 lines of 8 pixels, from 0 (paper) to 16 (ink).",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "array",
                "minItems": PIXELS,
                "maxItems": PIXELS,
                "items": {"type": "number", "minimum": 0, "maximum": INK_MAX},
            },
        },
        "scores": {
            "description": "Answer with the probability of each digit as well.",
            "type": "boolean",
            "default": False,
        },
    },
}


if __name__ == "__main__":
    sys.exit(main())
