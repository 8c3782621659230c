"""Train boosted trees that foretell how far diabetes goes in a year, and write them in XGBoost's own JSON format.

Reads data/train.csv beside this file, writes $OUTPUTS_DIR/model/model.json and nothing else.
The same data, settings and package versions give the same bytes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are loaded; more threads make this small fit slower

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost

TARGET = "progression"
VALIDATION_SHARE = 0.1
DATA = Path(__file__).resolve().parent / "data" / "train.csv"


@dataclass(frozen=True)
class Settings:
    """What `env` of the contract, or `/train DEPTH=3` on a pull request, can change."""

    seed: int = 0  # which rows are kept for validation, and which rows and columns each tree sees
    rounds: int = 150  # how many trees
    depth: int = 2  # how many questions a tree asks about a row

    @staticmethod
    def from_env(env) -> "Settings":
        seed, rounds = int(env.get("SEED", Settings.seed)), int(env.get("ROUNDS", Settings.rounds))
        depth = int(env.get("DEPTH", Settings.depth))
        if seed < 0 or rounds < 1 or not 1 <= depth <= 12:
            raise SystemExit(
                "SEED must be 0 or more, ROUNDS 1 or more and DEPTH 1 to 12, "
                f"not SEED={seed} ROUNDS={rounds} DEPTH={depth}"
            )
        return Settings(seed, rounds, depth)


def main() -> None:
    settings = Settings.from_env(os.environ)
    model_dir = Path(os.environ.get("OUTPUTS_DIR", "outputs")) / "model"

    rows, values, columns = read(DATA)
    print(f"{len(values)} rows of {DATA.name}; {settings}", flush=True)
    report(0.2)

    kept, held = split(len(values), settings.seed)
    booster = fit(rows[kept], values[kept], columns, settings)
    print(f"train_rmse={rmse(booster, rows[kept], values[kept]):.4f}", flush=True)
    print(f"validation_rmse={rmse(booster, rows[held], values[held]):.4f}", flush=True)
    report(0.7)

    exported = export(booster)
    compare(exported, booster, rows)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "model.json").write_bytes(exported)
    print(f"model_bytes={len(exported)}")
    report(1.0)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list]:
    """The measures (rows × 10), what is to be foretold, and the names of the measures."""
    with path.open(encoding="utf-8") as file:
        target, *columns = file.readline().strip().split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if target != TARGET or table.shape[1] != 1 + len(columns):
        raise SystemExit(f"{path} begins with `{target}` and has {table.shape[1]} columns, expected `{TARGET}` first")
    if not np.isfinite(table).all():
        raise SystemExit(f"{path} has values that are missing")
    return table[:, 1:], table[:, 0], columns


def split(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit on, and to validate on."""
    order = np.random.RandomState(seed).permutation(rows)
    held = int(rows * VALIDATION_SHARE)
    return order[held:], order[:held]


def fit(rows: np.ndarray, values: np.ndarray, columns: list, settings: Settings) -> xgboost.Booster:
    """Small slow trees that each see half of the rows and a third of the columns: there are only 300 rows."""
    wanted = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": settings.depth,
        "learning_rate": 0.03,
        "min_child_weight": 5,
        "subsample": 0.5,
        "colsample_bytree": 0.3,
        "seed": settings.seed,
        "nthread": 1,
    }
    return xgboost.train(wanted, xgboost.DMatrix(rows, values, feature_names=columns, nthread=1), settings.rounds)


def rmse(booster: xgboost.Booster, rows: np.ndarray, values: np.ndarray) -> float:
    return float(np.sqrt(((ask(booster, rows) - values) ** 2).mean()))


def ask(booster: xgboost.Booster, rows: np.ndarray) -> np.ndarray:
    """The value that the model foretells for each row."""
    return booster.inplace_predict(rows, validate_features=False)


def export(booster: xgboost.Booster) -> bytes:
    """The model as JSON: trees and settings, and no code."""
    return bytes(booster.save_raw("json"))


def compare(exported: bytes, booster: xgboost.Booster, rows: np.ndarray) -> None:
    """Ends the run where the exported model does not say what the trained one says."""
    again = xgboost.Booster({"nthread": 1})
    again.load_model(bytearray(exported))
    furthest = float(np.abs(ask(again, rows) - ask(booster, rows)).max())
    print(f"export_difference={furthest:.2g}", flush=True)
    if not furthest <= 1e-3:
        raise SystemExit(f"the exported model answers differently, by up to {furthest:.2g}")


def report(progress: float) -> None:
    print(f"progress={progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
