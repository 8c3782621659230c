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
    def test_a_perfect_model_reaches_one(self):
        truth = np.array([0, 0, 0, 1, 1])
        metrics = evaluate.measure(truth, truth.astype(float))
        for name in ("auc", "accuracy", "sensitivity", "specificity"):
            self.assertEqual(metrics[name], 1.0, name)
        self.assertEqual((metrics["brier"], metrics["n_test"], metrics["baseline.accuracy"]), (0.0, 5, 0.6))

    def test_a_constant_model_is_the_baseline(self):
        truth = np.array([0, 0, 0, 1])
        metrics = evaluate.measure(truth, np.full(4, 0.25))
        for name in ("auc", "accuracy", "brier"):
            self.assertEqual(metrics[name], metrics[f"baseline.{name}"], name)
        self.assertEqual((metrics["sensitivity"], metrics["specificity"]), (0.0, 1.0))

    def test_auc_by_hand(self):
        # Of the four pairs one is in order, two are not, and one is a tie.
        self.assertEqual(evaluate.auc(np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.3, 0.4])), 0.375)

    def test_the_curve_goes_from_corner_to_corner(self):
        false, true = evaluate.curve(np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1]))
        self.assertEqual((false.tolist(), true.tolist()), ([0, 0, 0.5, 1], [0, 0.5, 1, 1]))


class Files(unittest.TestCase):
    def test_they_are_complete_and_the_same_each_time(self):
        rows, labels, columns = train.read(train.DATA)
        booster = train.fit(rows[:200], labels[:200], columns, train.Settings(rounds=20))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "model.txt").write_text(train.export(booster), encoding="utf-8")
            lines = train.DATA.read_text(encoding="utf-8").splitlines()
            (place / "test.csv").write_text("\n".join([lines[0], *lines[201:]]) + "\n", encoding="utf-8")
            first, second = (self.outputs(place, place / name) for name in ("a", "b"))
        self.assertEqual(first, second)
        self.assertEqual(sorted(first), ["metrics.json", "plots/roc.svg", "samples.jsonl", "schema.json"])

        metrics = json.loads(first["metrics.json"])
        self.assertTrue(all(isinstance(value, (int, float)) for value in metrics.values()))
        self.assertEqual(metrics["n_test"], len(labels) - 200)
        lines = [json.loads(line) for line in first["samples.jsonl"].splitlines()]
        self.assertGreaterEqual(len(lines), 20)
        for line in lines:
            self.assertEqual(set(line), {"input", "output", "tolerance"})
            self.assertEqual(len(line["input"]["rows"][0]), len(columns))
        ElementTree.fromstring(first["plots/roc.svg"])

    def outputs(self, place: Path, target: Path) -> dict:
        env = {"MODEL_DIR": str(place), "DATA_DIR": str(place), "OUTPUTS_DIR": str(target)}
        with mock.patch.dict(os.environ, env), mock.patch("builtins.print"):
            evaluate.main()
        return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}


if __name__ == "__main__":
    unittest.main()
