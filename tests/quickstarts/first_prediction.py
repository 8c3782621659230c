#!/usr/bin/env python3
"""Measures how long a newcomer waits for the first correct prediction of the default quickstart.

    tests/quickstarts/first_prediction.py [--json] [BOWSPRIT]

BOWSPRIT is the built program, target/debug/bowsprit unless given. Cold: nothing is kept, neither packages nor pip's
cache; the clock starts with `bowsprit demo --empty`. Warm: the packages are there; it starts with `bowsprit create` of
a second pair. It stops when the preview of the proposal has answered the first of the model's own samples correctly.
Nothing is asserted about seconds; ends with 1 where no correct prediction comes.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = "ML-python-sklearn-digits-cpu"
MODEL = "digits"
OWNER = "ada"
PATIENCE_S = 900
POLL_S = 0.05


class Trouble(Exception):
    """No prediction came, and why."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    parser.add_argument("bowsprit", nargs="?", default=str(ROOT / "target/debug/bowsprit"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        # Nothing of this machine is taken for granted: pip's cache and the person's configuration are empty.
        env = {key: value for key, value in os.environ.items() if not key.startswith(("BOWSPRIT_", "PIP_CACHE", "UV_CACHE"))}
        env |= {"XDG_CACHE_HOME": f"{place}/cache", "XDG_CONFIG_HOME": f"{place}/config"}
        try:
            told = measured(str(Path(args.bowsprit).resolve()), place, env)
        except Trouble as trouble:
            print(f"no prediction: {trouble}", file=sys.stderr)
            return 1
    if args.json:
        print(json.dumps(told, indent=2))
        return 0
    for kind, parts in told.items():
        total = sum(parts.values())
        print(f"first prediction, {kind}: {total:.1f} s ({', '.join(f'{name} {s:.1f}' for name, s in parts.items())})")
    return 0


def measured(bowsprit: str, place: Path, env: dict) -> dict:
    """The seconds of each part, cold and warm."""
    clock = Clock()
    with demo(bowsprit, place, env):
        clock.lap("servers")
        env |= settings(place / "state" / "demo.env")
        cold = pair(bowsprit, place, env, "cold", clock)
        warm = pair(bowsprit, place, env, "warm", Clock())
    return {"cold": cold, "warm": warm}


class Clock:
    """Seconds of one part after another."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.parts[name] = round(now - self.last, 2)
        self.last = now


@contextlib.contextmanager
def demo(bowsprit: str, place: Path, env: dict):
    """Both servers, while they are needed."""
    with open(place / "demo.log", "wb") as log:
        running = subprocess.Popen(
            [bowsprit, "demo", "--empty", "--state", str(place / "state")], env=env, stdout=log, stderr=log
        )
    try:
        await_file(place / "state" / "demo.env", running, place / "demo.log")
        yield
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            running.kill()


def await_file(file: Path, running: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not file.exists():
        if running.poll() is not None or time.monotonic() > until:
            raise Trouble(f"the demo does not start: {log.read_text(errors='replace')[-400:]}")
        time.sleep(POLL_S)


def settings(file: Path) -> dict:
    """What a shell that reads the file would have set."""
    words = ["sh", "-c", 'set -a; . "$1"; env -0', "sh", str(file)]
    told = subprocess.run(words, env={}, capture_output=True, text=True, check=True).stdout
    return dict(pair.split("=", 1) for pair in told.split("\0") if "=" in pair)


def pair(bowsprit: str, place: Path, env: dict, root: str, clock: Clock) -> dict:
    """From the command that makes a pair to the first correct prediction."""
    service = f"{OWNER}/{root}-service"

    def call(*words: str) -> str:
        done = subprocess.run([bowsprit, *words], cwd=place, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        if done.returncode != 0:
            raise Trouble(f"bowsprit {' '.join(words[:3])}: {done.stderr.strip()[-400:]}")
        return done.stdout

    call("create", "mlquickstart", "--batch", "--filter", QUICKSTART, "--root", root, "--wait", "0")
    clock.lap("pair")
    call("wait", "run", f"{OWNER}/{root}-training", "--timeout", str(PATIENCE_S))
    clock.lap("training and judging")
    call("wait", "environment", f"{service}/pr-1", "--timeout", str(PATIENCE_S))
    clock.lap("proposal and preview")
    sample = first_sample(place / f"{root}-service", env)
    answer = json.loads(call("invoke", f"{service}/pr-1", "--data", json.dumps(sample["input"]), "--json"))
    if answer["body"].get("labels") != sample["output"]["labels"]:
        raise Trouble(f"the prediction is {answer['body']}, and the model said {sample['output']}")
    clock.lap("prediction")
    return clock.parts


def first_sample(copy: Path, env: dict) -> dict:
    """The first of the samples that the proposal brings."""
    git = ["git", "-C", str(copy)]
    subprocess.run([*git, "fetch", "-q", "origin", f"bowsprit/{MODEL}"], env=os.environ | env, check=True)
    shown = subprocess.run([*git, "show", f"FETCH_HEAD:models/{MODEL}/samples.jsonl"], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout.splitlines()[0])


if __name__ == "__main__":
    sys.exit(main())
