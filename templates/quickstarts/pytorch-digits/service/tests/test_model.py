"""The model that this service is to serve gives, here too, the answers that its evaluation wrote down.

Runs where MODELS_DIR or MODEL_DIR holds a model: on each pull request of the service, and by hand (README.md).
"""

import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digits_service import score

SAMPLES = ROOT / "models" / score.NAME / "samples.jsonl"


def differs(said, expected, tolerance: float) -> bool:
    """Whether two JSON values differ in shape, or in a number by more than the tolerance."""
    if isinstance(expected, dict):
        return (
            not isinstance(said, dict)
            or set(said) != set(expected)
            or any(differs(said[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, list):
        return (
            not isinstance(said, list)
            or len(said) != len(expected)
            or any(differs(one, other, tolerance) for one, other in zip(said, expected, strict=True))
        )
    if isinstance(expected, (int, float)) and isinstance(said, (int, float)):
        return not abs(said - expected) <= tolerance
    return said != expected


class Samples(unittest.TestCase):
    def test_the_model_answers_its_samples(self):
        if score.model_path() is None:
            self.skipTest("no model yet")
        self.assertTrue(SAMPLES.is_file(), f"the model came without {SAMPLES.relative_to(ROOT)}")
        score.init()
        lines = SAMPLES.read_text(encoding="utf-8").splitlines()
        self.assertGreaterEqual(len(lines), 20)
        for number, sample in enumerate(map(json.loads, lines), start=1):
            said = score.run(sample["input"])
            if differs(said, sample["output"], sample.get("tolerance", 0)):
                self.fail(f"line {number} of {SAMPLES.name}: expected {sample['output']}, the service says {said}")

    def test_differences_are_found(self):
        for said, expected in (({"labels": [7]}, {"labels": [1]}), ({}, {"labels": []}), ([1, 2], [1]), ([1.2], [1.0])):
            self.assertTrue(differs(said, expected, 0.1))
        self.assertFalse(differs({"labels": [7], "scores": [[0.1004]]}, {"labels": [7], "scores": [[0.1]]}, 0.001))


if __name__ == "__main__":
    unittest.main()
