"""Judge a model on rows that no training saw.

Gets MODEL_DIR (model.json), DATA_DIR (test.csv) and OUTPUTS_DIR; needs no network and nothing of train.py, so that a
change of the training cannot change its own judgement. The live model is judged by this same file on the same rows.

Writes metrics.json (flat), samples.jsonl (raw inputs with the model's own answers; the service must give the same),
schema.json (what a request looks like) and plots/values.svg.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are loaded

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

TARGET = "progression"
SAMPLES = 30
TOLERANCE = 0.01


def main() -> None:
    model = Path(os.environ["MODEL_DIR"]) / "model.json"
    outputs = Path(os.environ["OUTPUTS_DIR"])
    rows, truth, columns = read(Path(os.environ["DATA_DIR"]) / "test.csv")
    print("progress=0.2", flush=True)

    values = ask(model, rows)
    print("progress=0.7", flush=True)

    metrics = measure(truth, values)
    (outputs / "plots").mkdir(parents=True, exist_ok=True)
    write(outputs / "metrics.json", json.dumps(metrics, indent=2))
    write(outputs / "samples.jsonl", "\n".join(json.dumps(line) for line in samples(rows, values)))
    write(outputs / "schema.json", json.dumps(schema(columns), indent=2))
    write(outputs / "plots" / "values.svg", draw(truth, values, metrics["rmse"]))
    constant = metrics["baseline.rmse"]
    print(f"RMSE {metrics['rmse']:.2f} on {len(truth)} rows; {constant:.2f} by a constant answer")
    print("progress=1.0", flush=True)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list]:
    """The held-out measures, what became of each, and the names of the measures."""
    with path.open(encoding="utf-8") as file:
        target, *columns = file.readline().strip().split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if target != TARGET or table.shape[1] != 1 + len(columns):
        raise SystemExit(f"{path} begins with `{target}` and has {table.shape[1]} columns, expected `{TARGET}` first")
    return table[:, 1:], table[:, 0], columns


def ask(path: Path, rows: np.ndarray) -> np.ndarray:
    """The model's value for each row."""
    booster = xgboost.Booster({"nthread": 1}, model_file=str(path))
    if booster.num_features() != rows.shape[1]:
        raise SystemExit(f"the model takes {booster.num_features()} measures, and a row has {rows.shape[1]}")
    values = booster.inplace_predict(rows, validate_features=False)
    if values.shape != (len(rows),) or not np.isfinite(values).all():
        raise SystemExit("the model answers something other than one finite number a row")
    return values.astype(np.float64)


def measure(truth: np.ndarray, values: np.ndarray) -> dict:
    """How far off the values are, and how far off the best constant answer is: the mean, or the median for MAE."""
    found = {
        "rmse": rmse(truth - values),
        "mae": float(np.abs(truth - values).mean()),
        "r2": float(1 - ((truth - values) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "baseline.rmse": rmse(truth - truth.mean()),
        "baseline.mae": float(np.abs(truth - np.median(truth)).mean()),
        "baseline.r2": 0.0,
    }
    return {**{name: round(value, 6) for name, value in found.items()}, "n_test": len(truth)}


def rmse(errors: np.ndarray) -> float:
    """The root of the mean of the squares."""
    return float(np.sqrt((errors**2).mean()))


def samples(rows: np.ndarray, values: np.ndarray):
    """The first rows, each with the model's answer, near or far."""
    for row, value in zip(rows[:SAMPLES], values[:SAMPLES], strict=True):
        yield {
            "input": {"rows": [[int(part) if part == int(part) else float(part) for part in row]]},
            "output": {"values": [round(float(value), 4)]},
            "tolerance": TOLERANCE,
        }


def draw(truth: np.ndarray, values: np.ndarray, reached: float) -> str:
    """What was foretold over what became of it, as a picture that needs nothing from outside, on its own background."""
    side, left, top = 340, 56, 44
    width, height = left + side + 20, top + side + 48
    most = 50 * (1 + int(max(truth.max(), values.max()) // 50))

    def place(x: float, y: float) -> tuple:
        return left + min(max(x / most, 0), 1) * side, top + (1 - min(max(y / most, 0), 1)) * side

    marks = []
    for value in range(0, most + 1, 50):
        (x, y), edge = place(value, value), place(0, 0)
        marks.append(f'<path d="M{x:.1f},{top}V{edge[1]:.1f}M{left},{y:.1f}H{left + side}" stroke="#d1d9e0"/>')
        marks.append(f'<text x="{x:.1f}" y="{top + side + 18}">{value}</text>')
        marks.append(f'<text x="{left - 20}" y="{y + 4:.1f}">{value}</text>')
    points = (place(x, y) for x, y in zip(truth, values, strict=True))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" text-anchor="middle"'
            ' fill="#59636e">',
            "<title>Foretold and true</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{width // 2}" y="24" fill="#1f2328" font-weight="bold">'
            f"RMSE {reached:.2f} on {len(truth)} rows</text>",
            *marks,
            f'<path d="M{left},{top + side}L{left + side},{top}" stroke="#59636e" stroke-dasharray="4 4"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1a7f37" fill-opacity="0.6"/>' for x, y in points),
            f'<text x="{left + side // 2}" y="{height - 10}">true</text>',
            f'<text transform="translate(14 {top + side // 2}) rotate(-90)">foretold</text>',
            "</svg>",
        ]
    )


def write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def schema(columns: list) -> dict:
    """What a request looks like, as JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Measures of people with diabetes",
        "type": "object",
        "required": ["rows"],
        "properties": {
            "rows": {
                "description": f"One list of {len(columns)} numbers a person: {', '.join(columns)}.",
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "minItems": len(columns),
                    "maxItems": len(columns),
                    "items": {"type": "number"},
                },
            }
        },
    }


if __name__ == "__main__":
    sys.exit(main())
