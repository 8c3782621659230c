"""Fast checks of the training: few trees, a second or two, no held-out rows."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import train

FEW = train.Settings(rounds=20)


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows, cls.labels, cls.columns = train.read(train.DATA)

    def fit(self, labels=None, settings=FEW):
        return train.fit(self.rows, self.labels if labels is None else labels, self.columns, settings)

    def test_a_slice_learns_far_more_than_chance(self):
        kept, held = train.split(len(self.labels), seed=0)
        booster = train.fit(self.rows[kept], self.labels[kept], self.columns, FEW)
        self.assertGreater(train.accuracy(booster, self.rows[held], self.labels[held]), 0.8)

    def test_the_same_input_gives_the_same_bytes(self):
        first, second = (train.export(self.fit()) for _ in range(2))
        self.assertEqual(first, second)

    def test_settings_change_the_bytes(self):
        for other in (train.Settings(seed=1, rounds=20), train.Settings(rounds=21), train.Settings(0, 20, 0.2)):
            self.assertNotEqual(train.export(self.fit()), train.export(self.fit(settings=other)))

    def test_the_export_knows_the_measures_by_name(self):
        exported = train.lightgbm.Booster(model_str=train.export(self.fit()))
        self.assertEqual(exported.feature_name(), self.columns)

    def test_an_export_of_another_model_is_refused(self):
        other = train.export(self.fit(labels=np.roll(self.labels, 7)))
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(SystemExit, "differently"):
            train.compare(other, self.fit(), self.rows)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            train.compare(train.export(self.fit()), self.fit(), self.rows)
        self.assertIn("export_difference=0", said.getvalue())


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
        self.assertEqual(train.Settings.from_env({}), train.Settings(0, 200, 0.1))
        env = {"SEED": "7", "ROUNDS": "5", "LEARNING_RATE": "0.5"}
        self.assertEqual(train.Settings.from_env(env), train.Settings(7, 5, 0.5))

    def test_impossible_ones_are_refused(self):
        for env in ({"ROUNDS": "0"}, {"LEARNING_RATE": "0"}, {"LEARNING_RATE": "nan"}, {"SEED": "-1"}):
            with self.assertRaises(SystemExit):
                train.Settings.from_env(env)


if __name__ == "__main__":
    unittest.main()
