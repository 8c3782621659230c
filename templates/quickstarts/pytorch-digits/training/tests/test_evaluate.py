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
        truth = np.repeat(np.arange(10), 5)
        metrics = evaluate.measure(evaluate.confusion(truth, truth))
        self.assertEqual((metrics["accuracy"], metrics["f1"], metrics["n_test"]), (1.0, 1.0, 50))
        self.assertEqual(metrics["baseline.accuracy"], 0.1)

    def test_a_constant_model_is_the_baseline(self):
        truth = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        metrics = evaluate.measure(evaluate.confusion(truth, np.zeros_like(truth)))
        self.assertEqual(metrics["accuracy"], metrics["baseline.accuracy"])
        self.assertEqual(metrics["f1"], metrics["baseline.f1"])
        self.assertEqual((metrics["recall.0"], metrics["recall.9"]), (1.0, 0.0))

    def test_macro_f1_by_hand(self):
        counted = evaluate.confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
        self.assertAlmostEqual(evaluate.macro_f1(counted), (2 / 3 + 4 / 5) / 10, places=6)


class Files(unittest.TestCase):
    def test_they_are_complete_and_the_same_each_time(self):
        images, labels = (part[:300] for part in train.read(train.DATA))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "model.onnx").write_bytes(train.export(train.fit(images, labels, train.Settings(epochs=2))))
            rows = train.DATA.read_text(encoding="utf-8").splitlines()
            (place / "test.csv").write_text("\n".join([rows[0], *rows[301:501]]) + "\n", encoding="utf-8")
            first, second = (self.outputs(place, place / name) for name in ("a", "b"))
        self.assertEqual(first, second)
        self.assertEqual(sorted(first), ["metrics.json", "plots/confusion.svg", "samples.jsonl", "schema.json"])

        metrics = json.loads(first["metrics.json"])
        self.assertTrue(all(isinstance(value, (int, float)) for value in metrics.values()))
        self.assertEqual(metrics["n_test"], 200)
        lines = [json.loads(line) for line in first["samples.jsonl"].splitlines()]
        self.assertGreaterEqual(len(lines), 20)
        for line in lines:
            self.assertEqual(set(line), {"input", "output", "tolerance"})
            self.assertEqual(len(line["input"]["rows"][0]), 64)
        ElementTree.fromstring(first["plots/confusion.svg"])

    def outputs(self, place: Path, target: Path) -> dict:
        env = {"MODEL_DIR": str(place), "DATA_DIR": str(place), "OUTPUTS_DIR": str(target)}
        with mock.patch.dict(os.environ, env), mock.patch("builtins.print"):
            evaluate.main()
        return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}


if __name__ == "__main__":
    unittest.main()
