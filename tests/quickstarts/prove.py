#!/usr/bin/env python3
"""Proves the gates of the quickstarts: with every seed a sound model passes, and with shuffled labels none does.

    tests/quickstarts/prove.py [--json] [--all] [NAME ...]

For each quickstart (a folder under templates/quickstarts) the steps and the judge of its own contract run in its own
packages, as an agent runs them: held-out rows are not there while it trains. The gates are those of the contract, as
`bowsprit contract effective` understands them. A sound model is also served by the pair's service and asked its
samples (the gate `parity`). Nothing but the seed and the labels is changed.

Ends with 1 where a seed is refused, where shuffled labels pass, or where something does not run at all.
"""

import argparse
import concurrent.futures
import contextlib
import csv
import hashlib
import json
import math
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICKSTARTS = ROOT / "templates" / "quickstarts"
POLICIES = ROOT / "policies"
# Proved where their name is given: what they download is too much for every run of the tests.
ON_DEMAND = {"pytorch-digits": "downloads 250 MB from an index of its own"}
# One training is one thread: on busy cores two threads of such a small fit wait for each other.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
COMMAND_S_MAX = 300
READY_S_MAX = 60
# As app/core/gate/direction.rs has them; a metric that is in neither must not be judged by guessing.
UP = {"acc", "accuracy", "auc", "f1", "precision", "r2", "recall", "sensitivity", "specificity"}
DOWN = {"brier", "error", "logloss", "loss", "mae", "mse", "rmse"}


class Trouble(Exception):
    """Something does not run, so nothing is proved."""


def main() -> int:
    args = arguments()
    found = sorted(path.parent.name for path in QUICKSTARTS.glob("*/quickstart.yaml"))
    if unknown := sorted(set(args.names) - set(found)):
        raise SystemExit(f"no quickstart {unknown[0]}; there are {', '.join(found)}")
    left_out = {} if args.all or args.names else {name: why for name, why in ON_DEMAND.items() if name in found}
    told = []
    for name in args.names or [name for name in found if name not in left_out]:
        began = time.monotonic()
        try:
            proved = Proof(name, args).run()
        except Trouble as trouble:
            proved = {"holds": False, "trouble": str(trouble)}
        told.append({"quickstart": name, **proved, "seconds": round(time.monotonic() - began, 1)})
        if not args.json:
            print("\n".join(lines(told[-1])), flush=True)
    if args.json:
        print(json.dumps({"proved": told, "left_out": left_out}, indent=2))
    else:
        for name, why in left_out.items():
            print(f"{name}: left out, as it {why}; `tests/quickstarts/prove.py {name}` proves it")
    return 0 if all(each["holds"] for each in told) else 1


def arguments() -> argparse.Namespace:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="folders under templates/quickstarts")
    parser.add_argument("--all", action="store_true", help="those that download much as well")
    parser.add_argument("--json", action="store_true", help="every figure, as JSON")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="sound trainings (default 20)")
    parser.add_argument("--shuffles", type=int, default=10, metavar="N", help="shuffled ones (default 10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at once")
    parser.add_argument("--bowsprit", type=Path, default=target / "debug" / "bowsprit", metavar="FILE")
    parser.add_argument("--packages", type=Path, default=target / "quickstarts", metavar="DIR", help="kept there")
    return parser.parse_args()


class Proof:
    """One quickstart, and all that is run of it."""

    def __init__(self, name: str, args: argparse.Namespace):
        self.folder = QUICKSTARTS / name
        self.args = args
        self.training = self.contract("training")
        self.service = self.contract("service")
        self.training_env = packages(self.folder / "training", self.training, args.packages)
        self.service_env = packages(self.folder / "service", self.service, args.packages)

    def contract(self, half: str) -> dict:
        command = [str(self.args.bowsprit), "contract", "effective", str(self.folder / half), "--json"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S_MAX)
        except OSError as error:
            raise Trouble(f"{self.args.bowsprit} does not run ({error}); build it: cargo build") from None
        if said.returncode != 0:
            raise Trouble(f"the contract of {half} is wrong: {said.stdout}{said.stderr}")
        return json.loads(said.stdout)

    def run(self) -> dict:
        cases = [(seed, False) for seed in range(self.args.seeds)]
        cases += [(seed, True) for seed in range(self.args.shuffles)]
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            runs = list(pool.map(lambda case: self.one(*case), cases))
        sound, shuffled = [run for run in runs if not run["shuffled"]], [run for run in runs if run["shuffled"]]
        names = sorted({gate["with"].get("metric", "accuracy") for gate in self.training["gates"] if on_figures(gate)})
        return {
            "holds": all(not run["refused_by"] for run in sound) and all(run["refused_by"] for run in shuffled),
            "sound": {"passed": sum(not run["refused_by"] for run in sound), "of": len(sound), **spread(sound, names)},
            "shuffled": {
                "refused": sum(bool(run["refused_by"]) for run in shuffled),
                "of": len(shuffled),
                **spread(shuffled, names),
            },
            "runs": runs,
        }

    def one(self, seed: int, shuffled: bool) -> dict:
        """Trains, judges and, where the labels are true, serves."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="bowsprit-prove-") as folder:
            place = Path(folder)
            snapshot, held, outputs = place / "snapshot", place / "held", place / "outputs"
            shutil.copytree(self.folder / "training", snapshot, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            (data,) = self.training["evaluate"]["data"]
            shutil.move(snapshot / data, held)
            if shuffled:
                shuffle(snapshot / "data" / "train.csv", seed)
            outputs.mkdir()
            env = {**self.training_env, "OUTPUTS_DIR": str(outputs)}
            for step in self.training["steps"]:
                execute(step["run"], snapshot, {**env, **step.get("env", {}), "SEED": str(seed)})
            judge = self.training["evaluate"]
            judged = {"MODEL_DIR": str(outputs / "model"), "DATA_DIR": str(held)}
            execute(judge["run"], snapshot, {**env, **judge.get("env", {}), **judged})
            metrics = json.loads((outputs / "metrics.json").read_text(encoding="utf-8"))
            # What noise learnt is served no worse; only what it knows is in question.
            probe = None if shuffled else self.probe(place, outputs)
        verdicts = {gate["name"]: verdict(gate, metrics, probe) for gate in self.training["gates"]}
        if shuffled:
            verdicts = {gate["name"]: verdicts[gate["name"]] for gate in self.training["gates"] if on_figures(gate)}
        refused = [name for name, is_met in verdicts.items() if is_met is False]
        seconds = round(time.monotonic() - began, 2)
        return {
            "seed": seed,
            "shuffled": shuffled,
            "refused_by": refused,
            "metrics": metrics,
            "probe": probe,
            "seconds": seconds,
        }

    def probe(self, place: Path, outputs: Path) -> dict:
        """Serves the model and asks it its samples, as a release is verified."""
        code = place / "service"
        shutil.copytree(self.folder / "service", code, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        serve, port = self.service["serve"], free_port()
        env = {**self.service_env, "MODEL_DIR": str(outputs / "model"), "HOST": "127.0.0.1", "PORT": str(port)}
        address = f"http://127.0.0.1:{port}"
        with open(place / "service.log", "w+", encoding="utf-8") as log:
            server = subprocess.Popen(serve["run"], cwd=code, env=env, stdout=log, stderr=subprocess.STDOUT)
            try:
                until_ready(server, address + serve["ready"])
                samples = [json.loads(line) for line in (outputs / "samples.jsonl").read_text("utf-8").splitlines()]
                wrong = [sample for sample in samples if not answers(address + serve["predict"], sample)]
            except (OSError, Trouble) as error:
                log.seek(0)
                raise Trouble(f"the service does not answer: {error}\n{log.read()[-2000:]}") from None
            finally:
                server.terminate()
                server.wait(timeout=COMMAND_S_MAX)
        return {"compared": len(samples), "mismatched": len(wrong)}


def packages(half: Path, contract: dict, kept: Path) -> dict:
    """The environment for commands of a half: its packages first on PATH, installed by their lock once."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    env.update(dict.fromkeys(THREADS, "1"), PYTHONDONTWRITEBYTECODE="1")
    runtime = contract.get("runtime", {})
    if lock := runtime.get("rust"):
        return {**env, "PATH": f"{executables(half, half / lock, kept)}{os.pathsep}{env.get('PATH', '')}"}
    requirements = runtime.get("requirements")
    if requirements is None:
        return env
    lock = half / requirements
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = kept / key
    if not (place / ".ready").is_file():
        shutil.rmtree(place, ignore_errors=True)
        execute([sys.executable, "-m", "venv", str(place)], half, env)
        install = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input", "--require-hashes"]
        execute([*install, "--only-binary", ":all:", "-r", str(lock)], half, dict(os.environ))
        (place / ".ready").touch()
    return {**env, "PATH": f"{place / 'bin'}{os.pathsep}{env.get('PATH', '')}"}


def executables(half: Path, lock: Path, kept: Path) -> Path:
    """Where the executables of a cargo workspace are, built once for its sources."""
    read = [path for path in sorted(half.rglob("*")) if path.suffix in (".rs", ".lock", ".toml") or path.parent.name == "src"]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in read if path.is_file())).hexdigest()[:16]
    target = kept / key
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(lock.with_name("Cargo.toml"))]
    execute([*command, "--target-dir", str(target)], half, dict(os.environ))
    return target / "release"


def execute(command: list, folder: Path, env: dict) -> None:
    """Runs a command to its good end."""
    program = shutil.which(command[0], path=env.get("PATH")) or command[0]
    try:
        said = subprocess.run([program, *command[1:]], cwd=folder, env=env, capture_output=True, timeout=COMMAND_S_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"`{' '.join(command)}`: {error}") from None
    if said.returncode != 0:
        text = (said.stdout + said.stderr).decode(errors="replace")
        raise Trouble(f"`{' '.join(command)}` ended with {said.returncode}:\n{text[-2000:]}")


def shuffle(path: Path, seed: int) -> None:
    """Hands the labels, which are the first column, to other rows."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    labels = [row[0] for row in rows]
    random.Random(seed).shuffle(labels)
    with path.open("w", encoding="utf-8", newline="") as file:
        moved = ([label, *row[1:]] for label, row in zip(labels, rows))
        csv.writer(file, lineterminator="\n").writerows([head, *moved])


def defaults(policy: str) -> dict | None:
    """The parameters of a policy of this program; none where there is no such policy."""
    path = POLICIES / f"{policy}.yaml"
    if not path.is_file():
        return None
    params = re.search(r"^params: \{(.*)\}$", path.read_text(encoding="utf-8"), re.MULTILINE)
    pairs = (pair.split(":") for pair in params[1].split(",")) if params else ()
    return {name.strip(): plain(value.strip()) for name, value in pairs}


def plain(text: str):
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def on_figures(gate: dict) -> bool:
    """Whether a gate is about how well the model does, rather than about how it was judged or is served."""
    return gate["name"] not in ("no-regression", "min-test-rows", "parity") and gate.get("mode", "block") == "block"


def verdict(gate: dict, metrics: dict, probe: dict | None) -> bool | None:
    """Whether a gate of the contract is met; none where it has nothing to say about a first model."""
    name = gate["name"]
    params = {**(defaults(name) or {}), **gate["with"]}
    if name == "no-regression":
        return None
    if name == "parity":
        return None if probe is None else probe["mismatched"] == 0 and probe["compared"] >= params["samples"]
    if name == "min-test-rows":
        return metrics["n_test"] >= params["rows"]
    if name == "better-than-baseline":
        metric = params["metric"]
        return sign(metric) * (metrics[metric] - metrics[f"baseline.{metric}"]) > params["margin"]
    if name == "threshold" or defaults(name) is None:
        value = metrics[params["metric"]]
        return params.get("min", -math.inf) <= value <= params.get("max", math.inf)
    raise Trouble(f"what the gate `{name}` wants is not known here")


def sign(metric: str) -> int:
    last = re.split(r"[_\-./ :]", metric.lower())[-1]
    if last in UP:
        return 1
    if last in DOWN:
        return -1
    raise Trouble(f"whether more `{metric}` is better is not known here")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until_ready(server: subprocess.Popen, address: str) -> None:
    until = time.monotonic() + READY_S_MAX
    while True:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(address, timeout=5).status == 200:
                return
        if server.poll() is not None:
            raise Trouble(f"it ended with {server.returncode}")
        if time.monotonic() > until:
            raise Trouble(f"it is not ready after {READY_S_MAX} s")
        time.sleep(0.05)


def answers(address: str, sample: dict) -> bool:
    body = json.dumps(sample["input"]).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return is_same(sample["output"], json.load(response), sample.get("tolerance", 0))


def is_same(wanted, got, tolerance: float) -> bool:
    """Whether an answer is what the sample says; more keys than wanted are allowed."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(
            name in got and is_same(value, got[name], tolerance) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(got, list)
            and len(wanted) == len(got)
            and all(is_same(one, other, tolerance) for one, other in zip(wanted, got))
        )
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (wanted, got)):
        return abs(wanted - got) <= tolerance
    return wanted == got


def spread(runs: list, names: list) -> dict:
    """Least, mean, most and standard deviation of each metric that a gate reads."""
    found = {}
    for name in names:
        values = [run["metrics"][name] for run in runs]
        if values:
            found[name] = {
                "min": min(values),
                "mean": round(statistics.fmean(values), 6),
                "max": max(values),
                "sd": round(statistics.pstdev(values), 6),
            }
    return {"metrics": found}


def lines(told: dict) -> list:
    """A quickstart as people read it."""
    word = "holds" if told["holds"] else "FAILS"
    head = f"{told['quickstart']}: {word} after {told['seconds']:.0f} s"
    if "trouble" in told:
        return [head, told["trouble"]]
    rows = [head]
    for kind, verb, runs in (("seeds", "passed", told["sound"]), ("shuffled", "refused", told["shuffled"])):
        rows.append(f"  {kind:9} {runs[verb]:3} of {runs['of']:3} {verb}")
        for name, of in runs["metrics"].items():
            rows.append(
                f"    {name:14} {of['min']:.4f} to {of['max']:.4f}, mean {of['mean']:.4f}, sd {of['sd']:.4f}"
            )
    for run in told["runs"]:
        if bool(run["refused_by"]) != run["shuffled"]:
            by = ", ".join(run["refused_by"]) or "nobody"
            rows.append(f"  seed {run['seed']}{' shuffled' * run['shuffled']}: refused by {by}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
