"""Checks of the judge's arithmetic, and of what it writes, on rows of the training set."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import evaluate
import train


class Arithmetic(unittest.TestCase):
    def test_a_perfect_model_is_never_off(self):
        truth = np.array([1.0, 2.0, 6.0])
        metrics = evaluate.measure(truth, truth)
        self.assertEqual((metrics["rmse"], metrics["mae"], metrics["r2"], metrics["n_test"]), (0.0, 0.0, 1.0, 3))

    def test_the_mean_is_the_baseline(self):
        truth = np.array([1.0, 2.0, 6.0])
        metrics = evaluate.measure(truth, np.full(3, truth.mean()))
        self.assertEqual((metrics["rmse"], metrics["r2"]), (metrics["baseline.rmse"], metrics["baseline.r2"]))
        self.assertGreater(metrics["mae"], metrics["baseline.mae"])

    def test_by_hand(self):
        metrics = evaluate.measure(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
        self.assertEqual((metrics["rmse"], metrics["mae"], metrics["r2"]), (round(5**0.5, 6), 2.0, -0.25))


class Files(unittest.TestCase):
    def test_they_are_complete_and_the_same_each_time(self):
        rows, values, columns = train.read(train.DATA)
        booster = train.fit(rows[:200], values[:200], columns, train.Settings(rounds=20))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "model.json").write_bytes(train.export(booster))
            lines = train.DATA.read_text(encoding="utf-8").splitlines()
            (place / "test.csv").write_text("\n".join([lines[0], *lines[201:]]) + "\n", encoding="utf-8")
            first, second = (self.outputs(place, place / name) for name in ("a", "b"))
        self.assertEqual(first, second)
        self.assertEqual(sorted(first), ["metrics.json", "plots/values.svg", "samples.jsonl", "schema.json"])

        metrics = json.loads(first["metrics.json"])
        self.assertTrue(all(isinstance(value, (int, float)) for value in metrics.values()))
        self.assertEqual(metrics["n_test"], len(values) - 200)
        lines = [json.loads(line) for line in first["samples.jsonl"].splitlines()]
        self.assertGreaterEqual(len(lines), 20)
        for line in lines:
            self.assertEqual(set(line), {"input", "output", "tolerance"})
            self.assertEqual(len(line["input"]["rows"][0]), len(columns))
        ElementTree.fromstring(first["plots/values.svg"])

    def outputs(self, place: Path, target: Path) -> dict:
        env = {"MODEL_DIR": str(place), "DATA_DIR": str(place), "OUTPUTS_DIR": str(target)}
        with mock.patch.dict(os.environ, env), mock.patch("builtins.print"):
            evaluate.main()
        return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}


if __name__ == "__main__":
    unittest.main()
