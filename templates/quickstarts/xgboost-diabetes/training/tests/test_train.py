"""Fast checks of the training: a second or two, no held-out rows."""

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
        cls.rows, cls.values, cls.columns = train.read(train.DATA)

    def fit(self, values=None, settings=FEW):
        return train.fit(self.rows, self.values if values is None else values, self.columns, settings)

    def test_a_slice_learns_more_than_the_mean(self):
        kept, held = train.split(len(self.values), seed=0)
        booster = train.fit(self.rows[kept], self.values[kept], self.columns, train.Settings())
        constant = float(np.sqrt(((self.values[held] - self.values[kept].mean()) ** 2).mean()))
        self.assertLess(train.rmse(booster, self.rows[held], self.values[held]), 0.9 * constant)

    def test_the_same_input_gives_the_same_bytes(self):
        first, second = (train.export(self.fit()) for _ in range(2))
        self.assertEqual(first, second)

    def test_settings_change_the_bytes(self):
        for other in (train.Settings(seed=1, rounds=20), train.Settings(rounds=21), train.Settings(0, 20, 3)):
            self.assertNotEqual(train.export(self.fit()), train.export(self.fit(settings=other)))

    def test_the_export_knows_the_measures_by_name(self):
        exported = train.xgboost.Booster()
        exported.load_model(bytearray(train.export(self.fit())))
        self.assertEqual(exported.feature_names, self.columns)

    def test_an_export_of_another_model_is_refused(self):
        other = train.export(self.fit(values=np.roll(self.values, 7)))
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
        self.assertEqual(train.Settings.from_env({}), train.Settings(0, 150, 2))
        env = {"SEED": "7", "ROUNDS": "5", "DEPTH": "4"}
        self.assertEqual(train.Settings.from_env(env), train.Settings(7, 5, 4))

    def test_impossible_ones_are_refused(self):
        for env in ({"ROUNDS": "0"}, {"DEPTH": "0"}, {"DEPTH": "13"}, {"SEED": "-1"}):
            with self.assertRaises(SystemExit):
                train.Settings.from_env(env)


if __name__ == "__main__":
    unittest.main()
