"""Train boosted trees that tell malignant from benign tumours, and write them in LightGBM's own text format.

Reads data/train.csv beside this file, writes $OUTPUTS_DIR/model/model.txt and nothing else.
The same data, settings and package versions give the same bytes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are loaded; more threads make this small fit slower

import sys
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np

TARGET = "malignant"
VALIDATION_SHARE = 0.1
THRESHOLD = 0.5
DATA = Path(__file__).resolve().parent / "data" / "train.csv"


@dataclass(frozen=True)
class Settings:
    """What `env` of the contract, or `/train ROUNDS=100` on a pull request, can change."""

    seed: int = 0  # which rows are kept for validation, and which rows and columns each tree sees
    rounds: int = 200  # how many trees
    learning_rate: float = 0.1  # how much each tree counts

    @staticmethod
    def from_env(env) -> "Settings":
        seed, rounds = int(env.get("SEED", Settings.seed)), int(env.get("ROUNDS", Settings.rounds))
        rate = float(env.get("LEARNING_RATE", Settings.learning_rate))
        if seed < 0 or rounds < 1 or not 0 < rate <= 1:
            raise SystemExit(
                "SEED must be 0 or more, ROUNDS 1 or more and LEARNING_RATE above 0 and at most 1, "
                f"not SEED={seed} ROUNDS={rounds} LEARNING_RATE={rate}"
            )
        return Settings(seed, rounds, rate)


def main() -> None:
    settings = Settings.from_env(os.environ)
    model_dir = Path(os.environ.get("OUTPUTS_DIR", "outputs")) / "model"

    rows, labels, columns = read(DATA)
    print(f"{len(labels)} rows of {DATA.name}; {settings}", flush=True)
    report(0.2)

    kept, held = split(len(labels), settings.seed)
    booster = fit(rows[kept], labels[kept], columns, settings)
    print(f"train_accuracy={accuracy(booster, rows[kept], labels[kept]):.4f}", flush=True)
    print(f"validation_accuracy={accuracy(booster, rows[held], labels[held]):.4f}", flush=True)
    report(0.7)

    exported = export(booster)
    compare(exported, booster, rows)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "model.txt").write_text(exported, encoding="utf-8")
    print(f"model_bytes={len(exported.encode())}")
    report(1.0)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list]:
    """The measures (rows × 30), whether each is malignant, and the names of the measures."""
    with path.open(encoding="utf-8") as file:
        target, *columns = file.readline().strip().split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if target != TARGET or table.shape[1] != 1 + len(columns):
        raise SystemExit(f"{path} begins with `{target}` and has {table.shape[1]} columns, expected `{TARGET}` first")
    labels, rows = table[:, 0].astype(np.int64), table[:, 1:]
    if set(labels) != {0, 1}:
        raise SystemExit(f"{path} has labels {sorted(set(labels.tolist()))}, expected 0 and 1")
    if not np.isfinite(rows).all() or rows.min() < 0:
        raise SystemExit(f"{path} has measures that are missing or below 0")
    return rows, labels, columns


def split(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit on, and to validate on."""
    order = np.random.RandomState(seed).permutation(rows)
    held = int(rows * VALIDATION_SHARE)
    return order[held:], order[:held]


def fit(rows: np.ndarray, labels: np.ndarray, columns: list, settings: Settings) -> lightgbm.Booster:
    """Small trees that each see a part of rows and columns: with 400 rows, more would be learnt by heart."""
    wanted = {
        "objective": "binary",
        "learning_rate": settings.learning_rate,
        "num_leaves": 8,
        "min_data_in_leaf": 10,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,  # else it measures which way is faster, and sums in another order
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(wanted, lightgbm.Dataset(rows, labels, feature_name=columns), settings.rounds)


def accuracy(booster: lightgbm.Booster, rows: np.ndarray, labels: np.ndarray) -> float:
    return float(((ask(booster, rows) >= THRESHOLD) == labels).mean())


def ask(booster: lightgbm.Booster, rows: np.ndarray) -> np.ndarray:
    """The probability of malignant for each row."""
    return booster.predict(rows, num_threads=1)


def export(booster: lightgbm.Booster) -> str:
    """The model as text: trees and settings, and no code."""
    return booster.model_to_string()


def compare(exported: str, booster: lightgbm.Booster, rows: np.ndarray) -> None:
    """Ends the run where the exported model does not say what the trained one says."""
    said = ask(lightgbm.Booster(model_str=exported), rows)
    furthest = float(np.abs(said - ask(booster, rows)).max())
    print(f"export_difference={furthest:.2g}", flush=True)
    if not furthest <= 1e-9:
        raise SystemExit(f"the exported model answers differently, by up to {furthest:.2g}")


def report(progress: float) -> None:
    print(f"progress={progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
