"""Judge a model on rows that no training saw.

Gets MODEL_DIR (model.txt), DATA_DIR (test.csv) and OUTPUTS_DIR; needs no network and nothing of train.py, so that a
change of the training cannot change its own judgement. The live model is judged by this same file on the same rows.

Writes metrics.json (flat), samples.jsonl (raw inputs with the model's own answers; the service must give the same),
schema.json (what a request looks like) and plots/roc.svg.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are loaded

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np

TARGET = "malignant"
LABELS = ("benign", "malignant")
THRESHOLD = 0.5  # as the service has it
SAMPLES_PER_LABEL = 12
SCORE_TOLERANCE = 0.00001


def main() -> None:
    model = Path(os.environ["MODEL_DIR"]) / "model.txt"
    outputs = Path(os.environ["OUTPUTS_DIR"])
    rows, truth, columns = read(Path(os.environ["DATA_DIR"]) / "test.csv")
    print("progress=0.2", flush=True)

    scores = ask(model, rows)
    print("progress=0.7", flush=True)

    metrics = measure(truth, scores)
    (outputs / "plots").mkdir(parents=True, exist_ok=True)
    write(outputs / "metrics.json", json.dumps(metrics, indent=2))
    write(outputs / "samples.jsonl", "\n".join(json.dumps(line) for line in samples(rows, truth, scores)))
    write(outputs / "schema.json", json.dumps(schema(columns), indent=2))
    write(outputs / "plots" / "roc.svg", draw(*curve(truth, scores), metrics["auc"], len(truth)))
    print(f"AUC {metrics['auc']:.4f}, sensitivity {metrics['sensitivity']:.4f} on {len(truth)} rows")
    print("progress=1.0", flush=True)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list]:
    """The held-out measures, whether each is malignant, and the names of the measures."""
    with path.open(encoding="utf-8") as file:
        target, *columns = file.readline().strip().split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if target != TARGET or table.shape[1] != 1 + len(columns):
        raise SystemExit(f"{path} begins with `{target}` and has {table.shape[1]} columns, expected `{TARGET}` first")
    return table[:, 1:], table[:, 0].astype(np.int64), columns


def ask(path: Path, rows: np.ndarray) -> np.ndarray:
    """The model's probability of malignant for each row."""
    booster = lightgbm.Booster(model_file=str(path))
    if booster.num_feature() != rows.shape[1]:
        raise SystemExit(f"the model takes {booster.num_feature()} measures, and a row has {rows.shape[1]}")
    scores = booster.predict(rows, num_threads=1)
    if scores.shape != (len(rows),) or not ((scores >= 0) & (scores <= 1)).all():
        raise SystemExit("the model answers something other than one probability a row")
    return scores


def measure(truth: np.ndarray, scores: np.ndarray) -> dict:
    """How well the probabilities order and decide, and what the commoner answer alone would reach."""
    said = scores >= THRESHOLD
    sick, well = truth == 1, truth == 0
    common = max(float(sick.mean()), float(well.mean()))
    found = {
        "auc": auc(truth, scores),
        "accuracy": float((said == sick).mean()),
        "sensitivity": float(said[sick].mean()),
        "specificity": float((~said[well]).mean()),
        "brier": float(((scores - truth) ** 2).mean()),
        "baseline.auc": 0.5,
        "baseline.accuracy": common,
        "baseline.brier": float(truth.mean() * (1 - truth.mean())),
    }
    return {**{name: round(value, 6) for name, value in found.items()}, "n_test": len(truth)}


def auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """How often a malignant one scores above a benign one; a tie counts half."""
    sick, well = scores[truth == 1], scores[truth == 0]
    above = (sick[:, None] > well[None, :]).mean()
    return float(above + (sick[:, None] == well[None, :]).mean() / 2)


def curve(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of false and of true alarms at each threshold, from the strictest on."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one threshold
    true, false = np.cumsum(truth[order] == 1)[last], np.cumsum(truth[order] == 0)[last]
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def samples(rows: np.ndarray, truth: np.ndarray, scores: np.ndarray):
    """The first rows of each kind, with the model's answer, right or wrong; then some of them with their scores."""
    firsts = [np.flatnonzero(truth == label)[:SAMPLES_PER_LABEL] for label in range(len(LABELS))]
    for row in np.concatenate(firsts):
        yield {"input": {"rows": [rows[row].tolist()]}, "output": {"labels": [label(scores[row])]}, "tolerance": 0}
    for row in np.concatenate([found[:3] for found in firsts]):
        yield {
            "input": {"rows": [rows[row].tolist()], "scores": True},
            "output": {"labels": [label(scores[row])], "scores": [round(float(scores[row]), 9)]},
            "tolerance": SCORE_TOLERANCE,
        }


def label(score: float) -> str:
    return LABELS[int(score >= THRESHOLD)]


def draw(false: np.ndarray, true: np.ndarray, reached: float, count: int) -> str:
    """The ROC curve as a picture that needs nothing from outside, on its own background."""
    side, left, top = 340, 56, 44
    width, height = left + side + 20, top + side + 48

    def place(x: float, y: float) -> str:
        return f"{left + x * side:.1f},{top + (1 - y) * side:.1f}"

    path = " ".join(place(x, y) for x, y in zip(false, true, strict=True))
    grid = [
        f'<path d="M{place(step / 4, 0)}L{place(step / 4, 1)}M{place(0, step / 4)}L{place(1, step / 4)}"'
        ' stroke="#d1d9e0"/>'
        f'<text x="{left + step * side / 4:.1f}" y="{top + side + 18}">{step / 4:g}</text>'
        f'<text x="{left - 20}" y="{top + side - step * side / 4 + 4:.1f}">{step / 4:g}</text>'
        for step in range(5)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" text-anchor="middle"'
            ' fill="#59636e">',
            "<title>ROC curve</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{width // 2}" y="24" fill="#1f2328" font-weight="bold">AUC {reached:.4f} on {count} rows</text>',
            *grid,
            f'<path d="M{place(0, 0)}L{place(1, 1)}" stroke="#59636e" stroke-dasharray="4 4"/>',
            f'<polyline points="{path}" fill="none" stroke="#1a7f37" stroke-width="2"/>',
            f'<text x="{left + side // 2}" y="{height - 10}">benign ones taken for malignant</text>',
            f'<text transform="translate(14 {top + side // 2}) rotate(-90)">malignant ones found</text>',
            "</svg>",
        ]
    )


def write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def schema(columns: list) -> dict:
    """What a request looks like, as JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Measures of cell nuclei",
        "type": "object",
        "required": ["rows"],
        "properties": {
            "rows": {
                "description": f"One list of {len(columns)} numbers a tumour: {', '.join(columns)}.",
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "minItems": len(columns),
                    "maxItems": len(columns),
                    "items": {"type": "number", "minimum": 0},
                },
            },
            "scores": {
                "description": "Answer with the probability of malignant as well.",
                "type": "boolean",
                "default": False,
            },
        },
    }


if __name__ == "__main__":
    sys.exit(main())
