"""Fast checks of the training: a slice of the data, a few seconds, no held-out rows."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import train

SHORT = train.Settings(epochs=10, hidden=32)


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        images, labels = train.read(train.DATA)
        cls.images, cls.labels = images[:400], labels[:400]
        cls.layers = cls.fit(cls)

    def fit(self, labels=None, settings=SHORT):
        with contextlib.redirect_stdout(io.StringIO()):
            return train.fit(self.images, self.labels if labels is None else labels, settings)

    def test_a_slice_learns_far_more_than_chance(self):
        kept, held = train.split(len(self.labels), seed=0)
        with contextlib.redirect_stdout(io.StringIO()):
            layers = train.fit(self.images[kept], self.labels[kept], SHORT)
        self.assertGreater(train.accuracy(layers, self.images[held], self.labels[held]), 0.8)

    def test_the_same_input_gives_the_same_bytes(self):
        self.assertEqual(train.export(self.layers), train.export(self.fit()))

    def test_settings_change_the_bytes(self):
        for other in (train.Settings(1, 10, 32), train.Settings(0, 11, 32), train.Settings(0, 10, 33)):
            self.assertNotEqual(train.export(self.layers), train.export(self.fit(settings=other)))

    def test_raw_pixels_go_in_and_the_scaling_is_inside(self):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            train.compare(train.export(self.layers), self.layers, self.images)
        self.assertIn("export_differences=0", said.getvalue())

    def test_an_export_of_another_model_is_refused(self):
        other = train.export(self.fit(labels=np.roll(self.labels, 1)))
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(SystemExit, "differently"):
            train.compare(other, self.layers, self.images)


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
        self.assertEqual(train.Settings.from_env({}), train.Settings(0, 30, 128))
        env = {"SEED": "7", "EPOCHS": "2", "HIDDEN": "16"}
        self.assertEqual(train.Settings.from_env(env), train.Settings(7, 2, 16))

    def test_impossible_ones_are_refused(self):
        for env in ({"EPOCHS": "0"}, {"HIDDEN": "0"}, {"SEED": "-1"}):
            with self.assertRaises(SystemExit):
                train.Settings.from_env(env)


if __name__ == "__main__":
    unittest.main()
