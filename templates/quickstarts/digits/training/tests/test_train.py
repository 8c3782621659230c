"""Fast checks of the training: a slice of the data, a few seconds, no held-out rows."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx

import train


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        images, labels = train.read(train.DATA)
        cls.images, cls.labels = images[:400], labels[:400]

    def test_a_slice_learns_far_more_than_chance(self):
        kept, held = train.split(len(self.labels), seed=0)
        pipeline = train.fit(self.images[kept], self.labels[kept], c=1.0)
        self.assertGreater(pipeline.score(self.images[held], self.labels[held]), 0.8)

    def test_the_same_input_gives_the_same_bytes(self):
        first, second = (train.export(train.fit(self.images, self.labels, c=1.0)) for _ in range(2))
        self.assertEqual(first, second)

    def test_what_comes_out_of_sets_is_sorted(self):
        model = onnx.load_from_string(train.export(train.fit(self.images, self.labels, c=1.0)))
        domains = [opset.domain for opset in model.opset_import]
        self.assertEqual(domains, sorted(domains))

    def test_settings_change_the_bytes(self):
        first, second = (train.export(train.fit(self.images, self.labels, c)) for c in (1.0, 2.0))
        self.assertNotEqual(first, second)

    def test_raw_pixels_go_in_and_the_scaler_is_inside(self):
        pipeline = train.fit(self.images, self.labels, c=1.0)
        exported = train.export(pipeline)
        session = train.onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
        label, scores = session.run(["label", "scores"], {"rows": self.images.astype(np.float32)})
        self.assertTrue((label == pipeline.predict(self.images)).all())
        self.assertEqual(scores.shape, (len(self.images), train.CLASSES))
        with contextlib.redirect_stdout(io.StringIO()) as said:
            train.compare(exported, pipeline, self.images)
        self.assertIn("export_differences=0", said.getvalue())

    def test_an_export_of_another_model_is_refused(self):
        pipeline = train.fit(self.images, self.labels, c=1.0)
        other = train.export(train.fit(self.images, np.roll(self.labels, 1), c=1.0))
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(SystemExit, "differently"):
            train.compare(other, pipeline, self.images)


class Splitting(unittest.TestCase):
    def test_every_row_is_kept_or_held_once(self):
        kept, held = train.split(100, seed=3)
        self.assertEqual(sorted([*kept, *held]), list(range(100)))
        self.assertEqual(len(held), 10)

    def test_the_seed_decides(self):
        self.assertTrue((train.split(100, seed=1)[0] == train.split(100, seed=1)[0]).all())
        self.assertFalse((train.split(100, seed=1)[0] == train.split(100, seed=2)[0]).all())


class Settings(unittest.TestCase):
    def test_they_come_from_the_environment(self):
        self.assertEqual(train.Settings.from_env({}), train.Settings(0, 1.0))
        self.assertEqual(train.Settings.from_env({"SEED": "7", "C": "2.5"}), train.Settings(7, 2.5))

    def test_impossible_ones_are_refused(self):
        for env in ({"C": "0"}, {"C": "nan"}, {"SEED": "-1"}):
            with self.assertRaises(SystemExit):
                train.Settings.from_env(env)


if __name__ == "__main__":
    unittest.main()
