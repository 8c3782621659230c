"""Counts how often the line is on the right side, on rows that training never saw."""

import json
import os
import pathlib

model = json.loads(pathlib.Path(os.environ["MODEL_DIR"], "model.json").read_text())
rows = [line.split(",") for line in pathlib.Path(os.environ["DATA_DIR"], "rows.csv").read_text().split()]
out = pathlib.Path(os.environ["OUTPUTS_DIR"])
guess = lambda x: "small" if float(x) < model["line"] else "large"
right = sum(guess(x) == label for x, label in rows)
(out / "metrics.json").write_text(json.dumps({"accuracy": right / len(rows), "n_test": len(rows), "baseline.accuracy": 0.5}))
samples = [{"input": {"x": float(x)}, "output": {"label": guess(x)}} for x, _ in rows[:20]]
(out / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
