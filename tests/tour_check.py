#!/usr/bin/env python3
"""Derives again, from outside, what a tour of Bowsprit says that it did.

A tour writes its stations; this program believes none of them. It reads the bare repositories with git, asks the
GitHub-compatible API, the two gateways and the served models, and compares. Standard library and git only; it never
imports, starts or asks anything of Bowsprit's own code. `--self-test` plants faults and shows that each is found.
"""

import argparse
import contextlib
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

STATIONS = (
    "push run verdict weak_refused proposal preview lgtm approve merge staging promotion production "
    "second_version rollback"
).split()
STATION_KEYS = ("name", "seconds", "url", "sha", "digest", "model_version", "verdict", "http_status")
ANSWERING = ("preview", "staging", "production")  # stations that must carry the status of a request
SEPARATE_FILES = ("metrics.json", "card.md", "schema.json", "samples.jsonl")  # of a proposal, beside the manifest
SAMPLES_MIN = 20
TIMEOUT_S = 20
BODY_BYTES_MAX = 64 << 20
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SHA = re.compile(r"[0-9a-f]{40}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--self-test", action="store_true", help="check the checker")
    parser.add_argument("--stations", help="JSON lines that the tour wrote")
    parser.add_argument("--hub-state", help="directory with repos/<owner>/<name>.git")
    parser.add_argument("--hub", help="address of the GitHub-compatible API")
    parser.add_argument("--token", help="token for it")
    parser.add_argument("--production", help="address of production's gateway")
    parser.add_argument("--staging", help="address of staging's gateway")
    parser.add_argument("--key", help="key for production's gateway, and for staging's unless it has one of its own")
    parser.add_argument("--staging-key", help="key for staging's gateway")
    parser.add_argument("--model", default="digits")
    parser.add_argument("--service", help="owner/name; found in the hub's state when left out")
    given = parser.parse_args()
    if given.self_test:
        return self_test()
    missing = [n for n in "stations hub_state hub token production staging key".split() if not getattr(given, n)]
    if missing:
        parser.error("missing --" + ", --".join(name.replace("_", "-") for name in missing))
    report = check(Tour(**{name: value for name, value in vars(given).items() if name != "self_test"}))
    return 1 if report.failed or not report.passed else 0


class Wrong(Exception):
    """A claim that does not hold, and why."""


def need(holds, why: str) -> None:
    if not holds:
        raise Wrong(why)


@dataclass
class Report:
    """One line a check."""

    quiet: bool = False
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)

    @contextlib.contextmanager
    def claim(self, sentence: str):
        try:
            yield
        except Exception as error:  # whatever cannot be read does not hold
            self.failed.append(sentence)
            kind = "" if isinstance(error, Wrong) else f"{type(error).__name__}: "
            self.say(f"FAIL  {sentence}: {kind}{error}")
        else:
            self.passed.append(sentence)
            self.say(f"ok    {sentence}")

    def say(self, line: str) -> None:
        if not self.quiet:
            print(line, flush=True)


@dataclass
class Tour:
    """Where the tour left its traces."""

    stations: str
    hub_state: str
    hub: str
    token: str
    production: str
    staging: str
    key: str
    model: str = "digits"
    service: str | None = None
    staging_key: str | None = None

    def key_of(self, environment: str) -> str:
        """The key of an environment's gateway."""
        return self.staging_key or self.key if environment == "staging" else self.key

    def repo(self) -> str:
        """`owner/name` of the service."""
        if self.service:
            return self.service
        found = sorted(Path(self.hub_state, "repos").glob(f"*/{self.model}-service.git"))
        need(len(found) == 1, f"{len(found)} repositories are called {self.model}-service; name one with --service")
        return f"{found[0].parent.name}/{found[0].name.removesuffix('.git')}"

    def git(self, *args, repo: str | None = None) -> str:
        folder = Path(self.hub_state, "repos", f"{repo or self.repo()}.git")
        done = subprocess.run(
            ["git", "--git-dir", str(folder), *args], capture_output=True, timeout=TIMEOUT_S, check=False
        )
        need(done.returncode == 0, f"git {' '.join(args[:3])}: {done.stderr.decode(errors='replace').strip()[:200]}")
        return done.stdout.decode()

    def has(self, sha: str, repo: str | None = None) -> bool:
        try:
            return self.git("cat-file", "-t", sha, repo=repo).strip() == "commit"
        except Wrong:
            return False

    def api(self, path: str):
        url = f"{self.hub.rstrip('/')}/repos/{self.repo()}/{path}"
        return json.loads(fetch(url, self.token, accept="application/vnd.github+json")[1])

    def pages(self, path: str) -> list:
        every, page = [], 1
        while page <= 20:
            got = self.api(f"{path}{'&' if '?' in path else '?'}per_page=100&page={page}")
            every += got
            if len(got) < 100:
                break
            page += 1
        return every


def fetch(url: str, key: str | None, body=None, accept="*/*") -> tuple[int, bytes]:
    """Status and body; a status of 400 or more is no exception."""
    headers = {"Accept": accept, "User-Agent": "tour-check"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, body, headers), timeout=TIMEOUT_S) as response:
            return response.status, response.read(BODY_BYTES_MAX)
    except urllib.error.HTTPError as error:
        return error.code, error.read(BODY_BYTES_MAX)


def check(tour: Tour, quiet: bool = False) -> Report:
    """Every check, in the order of the tour."""
    report = Report(quiet)
    stations = check_stations(tour, report)
    landed = check_models(tour, report, stations)
    check_proposal(tour, report, stations, landed)
    pins = check_environment_history(tour, report, landed)
    wanted = {"staging": None, "production": pins[-1] if pins else None}
    for name, url in (("staging", tour.staging), ("production", tour.production)):
        check_gateway(tour, report, name, url.rstrip("/"), wanted[name])
        check_deployment(tour, report, name)
    report.say(f"{len(report.passed)} passed, {len(report.failed)} failed")
    return report


# ---- what the tour wrote ----


def check_stations(tour: Tour, report: Report) -> dict:
    """The stations by name; the last of a name counts."""
    stations, order = {}, []
    with report.claim("the stations are JSON lines with the agreed keys"):
        for number, line in enumerate(Path(tour.stations).read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            station = json.loads(line)
            absent = [key for key in STATION_KEYS if key not in station]
            need(not absent, f"line {number} has no {', '.join(absent)}")
            order.append(station["name"])
            stations[station["name"]] = station
    for name in STATIONS:
        with report.claim(f"station {name} is there and sound"):
            need(name in stations, "it is missing")
            sound_station(stations[name])
    with report.claim("the stations are in order"):
        firsts = [order.index(name) for name in STATIONS if name in order]
        late = [a for a, b in zip(firsts, firsts[1:]) if a > b]
        need(not late, f"{order[late[0]] if late else ''} comes too late")
    with report.claim("the first model passed its gates and the weak one did not"):
        need(stations["verdict"]["verdict"] == "passed", f"the verdict was {stations['verdict']['verdict']!r}")
        need(stations["weak_refused"]["verdict"] == "failed", f"the weak one: {stations['weak_refused']['verdict']!r}")
    with report.claim("the stations name versions 1, 2 and, after the rollback, 1"):
        said = [stations[name]["model_version"] for name in ("proposal", "second_version", "rollback")]
        need(said == [1, 2, 1], f"they name {said}")
    return stations


def sound_station(station: dict) -> None:
    seconds, status = station["seconds"], station["http_status"]
    need(isinstance(seconds, (int, float)) and 0 <= seconds < 86_400, f"seconds is {seconds!r}")
    need(not station["url"] or re.match(r"https?://", station["url"]), f"url is {station['url']!r}")
    need(not station["sha"] or SHA.fullmatch(station["sha"]), f"sha is {station['sha']!r}")
    need(not station["digest"] or DIGEST.fullmatch(station["digest"]), f"digest is {station['digest']!r}")
    if status is not None or station["name"] in ANSWERING:
        need(isinstance(status, int) and 200 <= status < 300, f"http_status is {status!r}")


# ---- what git holds ----


@dataclass
class Landed:
    """A model version on the service's default branch."""

    commit: str
    manifest: dict


def check_models(tour: Tour, report: Report, stations: dict) -> dict:
    """Every version that landed, by number."""
    landed = {}
    path = f"models/{tour.model}/manifest.json"
    with report.claim("the default branch holds a model's manifest, and versions only rise"):
        for commit in first_parent(tour, path):
            manifest = json.loads(tour.git("show", f"{commit}:{path}"))
            landed[manifest["version"]] = Landed(commit, manifest)
        need(list(landed) == sorted(landed) and len(landed) >= 2, f"versions are {list(landed)}")
    for number in (1, 2):
        with report.claim(f"the manifest of version {number} is sound and its digest is that of its list of files"):
            need(number in landed, "that version never landed")
            sound_manifest(tour, landed[number].manifest, number)
        with report.claim(f"version {number} landed with figures, card, schema, samples and a picture"):
            complete_proposal(tour, landed[number].commit)
        with report.claim(f"the merge of version {number} says who agreed to which digest"):
            merge_trailers(tour, landed[number])
        with report.claim(f"tag {tour.model}/v{number} keeps that very model"):
            tagged = json.loads(tour.git("show", f"refs/tags/{tour.model}/v{number}:{path}"))
            need(tagged["version"] == number, f"the tag holds version {tagged['version']}")
            need(tagged["digest"] == landed[number].manifest["digest"], "the tag holds another digest")
    with report.claim("the weak model's commit became no version"):
        weak = stations["weak_refused"]["sha"]
        need(weak, "the station names no commit")
        made = [one.manifest["training"]["commit"] for one in landed.values()]
        tags = tour.git("tag", "--list", f"{tour.model}/v*").split()
        made += [json.loads(tour.git("show", f"{tag}:{path}"))["training"]["commit"] for tag in tags]
        need(weak not in made, "a version was made from it")
    with report.claim("the stations name the digests and commits that git holds"):
        for name, number in (("proposal", 1), ("merge", 1), ("second_version", 2), ("rollback", 1)):
            said = stations[name]["digest"]
            need(not said or said == landed[number].manifest["digest"], f"{name} names another digest")
        need(stations["merge"]["sha"] == landed[1].commit, f"merge names {stations['merge']['sha']}")
        training = landed[1].manifest["training"]["commit"]
        need(stations["push"]["sha"] == training, f"version 1 was trained from {training}")
    return landed


def first_parent(tour: Tour, path: str) -> list:
    """The commits of the default branch that changed a path, oldest first."""
    return tour.git("log", "--first-parent", "--reverse", "--format=%H", "HEAD", "--", path).split()


def sound_manifest(tour: Tour, manifest: dict, number: int) -> None:
    keys = "schema model version digest uri files judge_digest run training runtime".split()
    need(all(key in manifest for key in keys), f"it lacks {[key for key in keys if key not in manifest]}")
    need(manifest["schema"] == 1 and manifest["model"] == tour.model, "its schema or model is another")
    need(manifest["version"] == number, f"it says version {manifest['version']}")
    for key in ("digest", "judge_digest", "runtime"):
        need(isinstance(manifest[key], str) and DIGEST.fullmatch(manifest[key]), f"{key} is {manifest[key]!r}")
    need(isinstance(manifest["uri"], str) and manifest["uri"], "it has no uri")
    need(isinstance(manifest["run"], str) and manifest["run"], "it names no run")
    need(
        manifest["files"] and all(set(one) == {"path", "sha256", "bytes", "media_type"} for one in manifest["files"]),
        "its list of files is not as agreed",
    )
    derived = digest_of([(one["path"], bare(one["sha256"]), one["bytes"]) for one in manifest["files"]])
    need(derived == manifest["digest"], f"its files make {derived}")
    training = manifest["training"]
    need(isinstance(training["repo_id"], int) and SHA.fullmatch(training["commit"]), "its training is not as agreed")
    source = tour.repo().replace("-service", "-training")
    need(tour.has(training["commit"], source), f"{source} has no commit {training['commit']}")


def digest_of(files: list) -> str:
    """sha256 over one line `<sha256> <bytes> <path>` a file, sorted by path."""
    text = "".join(f"{sha} {size} {path}\n" for path, sha, size in sorted(files))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def bare(sha256: str) -> str:
    return sha256.removeprefix("sha256:")


def complete_proposal(tour: Tour, commit: str) -> None:
    folder = f"models/{tour.model}"
    paths = tour.git("ls-tree", "-r", "--name-only", commit, f"{folder}/").split("\n")
    absent = [name for name in SEPARATE_FILES if f"{folder}/{name}" not in paths]
    need(not absent, f"{', '.join(absent)} missing")
    need(any(re.fullmatch(rf"{folder}/plots/[^/]+\.svg", path) for path in paths), "no picture")
    figures = json.loads(tour.git("show", f"{commit}:{folder}/metrics.json"))
    need(all(not isinstance(value, (dict, list)) for value in figures.values()), "metrics.json is not flat")
    need(figures.get("n_test", 0) > 0, "metrics.json does not say on how many rows")
    need(len(samples(tour, commit)) >= SAMPLES_MIN, "too few samples")


def samples(tour: Tour, commit: str) -> list:
    text = tour.git("show", f"{commit}:models/{tour.model}/samples.jsonl")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def trailers(tour: Tour, commit: str) -> dict:
    """The trailers of a commit's message: key to values."""
    found = {}
    for line in tour.git("show", "-s", "--format=%B", commit).splitlines()[1:]:
        if match := re.fullmatch(r"([A-Z][A-Za-z]*(?:-[A-Za-z]+)+): (\S.*)", line.rstrip()):
            found.setdefault(match[1], []).append(match[2].lstrip("@"))
    return found


def merge_trailers(tour: Tour, landed: Landed) -> None:
    said = trailers(tour, landed.commit)
    for key in ("Lgtm-by", "Approved-by"):
        need(said.get(key), f"no {key} in {landed.commit[:12]}")
    for key, name in (("Model-Digest", "digest"), ("Judge-Digest", "judge_digest")):
        need(said.get(key) == [landed.manifest[name]], f"{key} is {said.get(key)}")


def check_environment_history(tour: Tour, report: Report, landed: dict) -> list:
    """What production was pinned to, oldest first: commit, release and cause."""
    path, pins = "environments/production.yaml", []
    with report.claim("production was pinned to version 1, then 2, then back to 1 by a rollback"):
        for commit in first_parent(tour, path):
            pins.append({"by": commit, **pinned(tour.git("show", f"{commit}:{path}"), tour.model)})
        steps = [(pin["version"], pin["cause"]) for pin in pins]
        need(steps == [(1, "promotion"), (2, "promotion"), (1, "rollback")], f"it was {steps}")
    with report.claim("git log -p tells the same story of the pinned digests"):
        patches = tour.git("log", "-p", "--first-parent", "--diff-merges=first-parent", "--reverse", "HEAD", "--", path)
        added = re.findall(rf"^\+.*({DIGEST.pattern})", patches, re.MULTILINE)
        need(pins and added == [pin["digest"] for pin in pins], f"the patches add {[one[:19] for one in added]}")
    with report.claim("each pin is a commit of the default branch that holds the pinned version and digest"):
        need(pins, "there is no pin")
        for pin in pins:
            tour.git("merge-base", "--is-ancestor", pin["release"], "HEAD")
            held = json.loads(tour.git("show", f"{pin['release']}:models/{tour.model}/manifest.json"))
            need((held["version"], held["digest"]) == (pin["version"], pin["digest"]), f"{pin['by'][:12]} differs")
            need(landed[pin["version"]].manifest["digest"] == pin["digest"], f"{pin['by'][:12]} has another digest")
    with report.claim("each promotion and the rollback say who approved them"):
        need(pins, "there is no pin")
        silent = [pin["by"][:12] for pin in pins if not trailers(tour, pin["by"]).get("Approved-by")]
        need(not silent, f"no Approved-by in {', '.join(silent)}")
    return pins


def pinned(text: str, model: str) -> dict:
    """What an environment's file says, written in blocks or in braces; each thing once."""

    def only(pattern: str, inside: str) -> str:
        found = re.findall(pattern, inside, re.MULTILINE)
        need(len(found) == 1, f"{pattern!r} is there {len(found)} times")
        return found[0]

    text = re.sub(r"(^|\s)#.*", "", text)
    entry = only(rf"\b{re.escape(model)}:\s*\{{?([^}}]*?)(?:\}}|^\S|\Z)", text)
    return {
        "cause": only(r"^cause:\s*([a-z-]+)\s*$", text),
        "release": only(rf"\bcommit:\s*\"?({SHA.pattern})\b", text),
        "version": int(only(r"\bversion:\s*(\d+)\b", entry)),
        "digest": only(rf"\bdigest:\s*[\"']?({DIGEST.pattern})\b", entry),
    }


# ---- what the API says of the proposal and of deployments ----


def check_proposal(tour: Tour, report: Report, stations: dict, landed: dict) -> None:
    pull = {}
    with report.claim("the proposal was merged by the bot, as the commit that git holds"):
        number = re.search(r"/pulls?/(\d+)", stations["proposal"]["url"] or "")
        need(number, f"the proposal's address is {stations['proposal']['url']!r}")
        pull = tour.api(f"pulls/{number[1]}")
        need(pull["merged"] is True, "it is not merged")
        need(pull["merge_commit_sha"] == landed[1].commit, f"it was merged as {pull['merge_commit_sha']}")
        for what in ("user", "merged_by"):
            need(
                pull[what]["type"] == "Bot" and pull[what]["login"].endswith("[bot]"),
                f"{what} is {pull[what]['login']}",
            )
    with report.claim("what was merged is the head that was approved, and nothing else"):
        need(pull, "there is no proposal")
        head = pull["head"]["sha"]
        for name in ("lgtm", "approve"):
            said = stations[name]["sha"]
            need(said == head, f"station {name} saw {said}, merged was {head}")
        base = tour.git("rev-parse", f"{landed[1].commit}^1").strip()
        theirs = tour.git("diff", "--raw", "--no-abbrev", tour.git("merge-base", base, head).strip(), head)
        need(
            theirs and theirs == tour.git("diff", "--raw", "--no-abbrev", base, landed[1].commit),
            "the landed change differs",
        )
    with report.claim("the people whom the merge names spoke on the proposal after its last push"):
        need(pull, "there is no proposal")
        spoken = words(tour, pull["number"])
        pushed = int(tour.git("show", "-s", "--format=%ct", pull["head"]["sha"]))
        said = trailers(tour, landed[1].commit)
        for key, word in (("Lgtm-by", "lgtm"), ("Approved-by", "approve")):
            for login in said.get(key, ["nobody"]):
                times = [at for who, what, at in spoken if who.lower() == login.lower() and what == word]
                need(times, f"{login} never said {word}")
                need(max(times) >= pushed, f"{login} said {word} before the last push")


def words(tour: Tour, number: int) -> list:
    """Who said lgtm or approve on a pull request, and when: comments and reviews."""
    spoken = []
    for said in tour.pages(f"issues/{number}/comments") + tour.pages(f"pulls/{number}/reviews"):
        if said["user"]["type"] == "Bot":
            continue
        at = seconds_of(said.get("created_at") or said["submitted_at"])
        text = said.get("body") or ""
        spoken += [(said["user"]["login"], word.lower(), at) for word in re.findall(r"(?im)^/(lgtm|approve)\s*$", text)]
        if said.get("state") == "APPROVED":
            spoken += [(said["user"]["login"], word, at) for word in ("lgtm", "approve")]
    return spoken


def seconds_of(iso: str) -> int:
    return int(datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp())


def check_deployment(tour: Tour, report: Report, environment: str) -> None:
    with report.claim(f"the latest deployment to {environment} succeeded, by the API"):
        every = tour.pages(f"deployments?environment={environment}")
        need(every, "there is none")
        latest = max(every, key=lambda one: one["id"])
        need(tour.has(latest["sha"]), f"its commit {latest['sha']} is unknown")
        statuses = tour.pages(f"deployments/{latest['id']}/statuses")
        need(statuses, "it has no status")
        last = max(statuses, key=lambda one: one["id"])
        need(last["state"] == "success", f"its last status is {last['state']}")


# ---- what is served ----


def check_gateway(tour: Tour, report: Report, name: str, url: str, pin: dict | None) -> None:
    """The gateway of an environment: pinned, or following the default branch."""
    commit, manifest = (pin["release"] if pin else "HEAD"), None
    with report.claim(f"{name} says that it serves the digest which git wants"):
        need(pin or name != "production", "git does not say what it wants")
        manifest = json.loads(tour.git("show", f"{commit}:models/{tour.model}/manifest.json"))
        need(not pin or pin["digest"] == manifest["digest"], "the pin and its manifest differ")
        status, body = fetch(f"{url}/.bowsprit/live", tour.key_of(name))
        need(status == 200, f"/.bowsprit/live answers {status}")
        live = json.loads(body)
        live = live.get("serving") or live
        need(live["digests"][tour.model] == manifest["digest"], f"it serves {live['digests'][tour.model]}")
        need(live["versions"][tour.model] == manifest["version"], f"it serves version {live['versions'][tour.model]}")
    with report.claim(f"{name} asks for a key"):
        for path in ("/.bowsprit/live", predict_path(tour)):
            status, _ = fetch(url + path, None, {} if path == predict_path(tour) else None)
            need(status in (401, 403), f"{path} answers {status} without one")
    with report.claim(f"the bytes that {name} serves hash to that digest"):
        need(manifest, "it is not known what it should serve")
        fetched = []
        for one in manifest["files"]:
            status, body = fetch(f"{url}/.bowsprit/models/{tour.model}/{one['path']}", tour.key_of(name))
            need(status == 200, f"{one['path']} answers {status}")
            fetched.append((one["path"], hashlib.sha256(body).hexdigest(), len(body)))
        need(digest_of(fetched) == manifest["digest"], f"they make {digest_of(fetched)}")
    with report.claim(f"{name} answers the samples of that model as its evaluation did"):
        lines = samples(tour, commit)
        need(len(lines) >= SAMPLES_MIN, f"there are {len(lines)} samples")
        for number, sample in enumerate(lines, start=1):
            status, body = fetch(url + predict_path(tour), tour.key_of(name), sample["input"])
            need(status == 200, f"sample {number} is answered with {status}")
            need(
                same(json.loads(body), sample["output"], sample.get("tolerance", 0)), f"sample {number}: {body[:120]!r}"
            )


def predict_path(tour: Tour) -> str:
    found = re.search(r"^\s+predict:\s*[\"']?(/[^\s\"']*)", tour.git("show", "HEAD:bowsprit.yaml"), re.MULTILINE)
    return found[1] if found else "/v1/predict"


def same(said, expected, tolerance: float) -> bool:
    """Whether two JSON values agree, numbers within the tolerance."""
    if isinstance(expected, dict):
        return (
            isinstance(said, dict)
            and set(said) == set(expected)
            and all(same(said[k], expected[k], tolerance) for k in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(said, list)
            and len(said) == len(expected)
            and all(map(lambda a, b: same(a, b, tolerance), said, expected))
        )
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return isinstance(said, (int, float)) and abs(said - expected) <= tolerance
    return said == expected


# ---- the checker's own test: a small world, and faults planted in it ----

MODEL = {1: b"the first model", 2: b"the second model"}
BOT, ADA, GRACE, RITA = (
    {"login": login, "type": kind}
    for login, kind in (("bowsprit[bot]", "Bot"), ("ada", "User"), ("grace", "User"), ("rita", "User"))
)
LATER = "2026-01-02T04:00:00Z"

# fault -> a check that must find it
FAULTS = {
    "station missing": "station rollback is there",
    "station late": "the stations are in order",
    "weak model passed": "the weak one did not",
    "wrong digest": "manifest of version 1 is sound",
    "approval trailer missing": "the merge of version 2 says who agreed",
    "trailer of another digest": "the merge of version 1 says who agreed",
    "picture missing": "version 1 landed with figures",
    "tag missing": "tag digits/v2 keeps",
    "weak model tagged": "the weak model's commit became no version",
    "no rollback": "then back to 1 by a rollback",
    "unapproved promotion": "say who approved them",
    "pin of another digest": "holds the pinned version and digest",
    "merged by a person": "merged by the bot",
    "approved another head": "what was merged is the head that was approved",
    "more landed than approved": "what was merged is the head that was approved",
    "approved before the push": "spoke on the proposal after its last push",
    "approver never spoke": "spoke on the proposal after its last push",
    "live digest differs": "production says that it serves the digest",
    "bytes differ": "the bytes that production serves",
    "answers differ": "staging answers the samples",
    "no key asked": "production asks for a key",
    "deployment failed": "the latest deployment to production succeeded",
}


def self_test() -> int:
    """The sound world passes every check; each fault is found by the check that is there for it."""
    outcome = Report()
    with tempfile.TemporaryDirectory() as folder:
        for number, (fault, finder) in enumerate({"": "", **FAULTS}.items()):
            with outcome.claim(f"found: {fault}" if fault else "a sound tour passes every check"):
                with World(Path(folder, str(number)), fault) as world:
                    report = check(world.tour(), quiet=True)
                if fault:
                    need(any(finder in sentence for sentence in report.failed), f"failed were {report.failed}")
                else:
                    need(not report.failed, f"failed were {report.failed}")
    outcome.say(f"{len(outcome.passed)} passed, {len(outcome.failed)} failed")
    return 1 if outcome.failed else 0


class World:
    """Two repositories, an API and two gateways, as small as the checks allow, with one fault or none."""

    def __init__(self, folder: Path, fault: str):
        self.folder, self.fault, self.stations, self.clock = folder, fault, [], 0
        self.training = self.new_repo("digits-training")
        self.good, self.weak = (self.commit(self.training, {"train.py": text}, text) for text in ("good", "weak"))
        self.service = self.new_repo("digits-service")
        self.commit(self.service, {"bowsprit.yaml": "serve:\n  predict: /v1/predict\n"}, "start")
        self.head, self.releases = {}, {}
        for version in (1, 2):
            self.land(version)
            self.pin(version, "promotion")
        if fault != "no rollback":
            self.pin(1, "rollback")
        if fault == "weak model tagged":
            self.git(self.service, "checkout", "-q", "-b", "sly")
            self.commit(self.service, {"models/digits/manifest.json": json.dumps(self.manifest(3, self.weak))}, "sly")
            self.git(self.service, "tag", "digits/v3")
            self.git(self.service, "checkout", "-q", "main")
        for work in (self.training, self.service):
            target = folder / "repos" / "ada" / f"{work.name}.git"
            self.git(folder, "clone", "-q", "--bare", str(work), str(target))
        self.write_stations()

    def __enter__(self):
        world = self

        class Door(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = world.answer(self.path, self.headers.get("Authorization"), body)
                payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self.door.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.door.shutdown()
        self.door.server_close()

    def tour(self) -> Tour:
        base = f"http://127.0.0.1:{self.door.server_address[1]}"
        return Tour(
            str(self.folder / "stations"),
            str(self.folder),
            f"{base}/hub",
            "t",
            f"{base}/production",
            f"{base}/staging",
            "k",
        )

    # git

    def git(self, folder: Path, *args) -> str:
        self.clock += 1
        date = f"2026-01-02T03:00:{min(self.clock, 59):02}Z"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        env |= {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "x"), ("EMAIL", "x@x"), ("DATE", date))
        }
        return subprocess.run(
            ["git", *args], cwd=folder, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def new_repo(self, name: str) -> Path:
        work = self.folder / "work" / name
        work.mkdir(parents=True)
        self.git(work, "init", "-q", "-b", "main")
        return work

    def commit(self, work: Path, files: dict, message: str) -> str:
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text, encoding="utf-8")
        self.git(work, "add", "-A")
        self.git(work, "commit", "-q", "-m", message)
        return self.git(work, "rev-parse", "HEAD")

    def merge(self, branch: str, message: str) -> str:
        self.git(self.service, "checkout", "-q", "main")
        self.git(self.service, "merge", "-q", "--no-ff", "--no-commit", branch)
        if self.fault == "more landed than approved" and branch == "bowsprit/digits-1":
            (self.service / "stowaway").write_text("x", encoding="utf-8")
        return self.commit(self.service, {}, message)

    def manifest(self, version: int, commit: str) -> dict:
        body = MODEL.get(version, b"weak")
        sha = hashlib.sha256(body).hexdigest()
        digest = digest_of([("model.onnx", sha, len(body))])
        if self.fault == "wrong digest" and version == 1:
            digest = "sha256:" + "0" * 64
        other = "sha256:" + "a" * 64
        files = [
            {"path": "model.onnx", "sha256": f"sha256:{sha}", "bytes": len(body), "media_type": "application/onnx"}
        ]
        return {
            "schema": 1, "model": "digits", "version": version, "digest": digest, "uri": "file:x", "files": files,
            "judge_digest": other, "run": "run-1", "training": {"repo_id": 1, "commit": commit}, "runtime": other,
        }  # fmt: skip

    def land(self, version: int) -> None:
        manifest = self.manifest(version, self.good)
        lines = [
            {"input": {"rows": [i]}, "output": {"labels": [i * version]}, "tolerance": 0} for i in range(SAMPLES_MIN)
        ]
        files = {
            "manifest.json": json.dumps(manifest),
            "metrics.json": '{"accuracy": 1, "n_test": 5}',
            "card.md": "x",
            "schema.json": "{}",
        }
        files["samples.jsonl"] = "\n".join(map(json.dumps, lines))
        if self.fault != "picture missing":
            files["plots/confusion.svg"] = "<svg/>"
        branch = f"bowsprit/digits-{version}"
        self.git(self.service, "checkout", "-q", "-b", branch)
        self.head[version] = self.commit(
            self.service, {f"models/digits/{path}": text for path, text in files.items()}, "propose"
        )
        if (self.fault, version) != ("tag missing", 2):
            self.git(self.service, "tag", f"digits/v{version}")
        said = {
            "Lgtm-by": "grace",
            "Approved-by": "ada",
            "Model-Digest": manifest["digest"],
            "Judge-Digest": manifest["judge_digest"],
        }
        if (self.fault, version) == ("approval trailer missing", 2):
            del said["Approved-by"]
        if (self.fault, version) == ("trailer of another digest", 1):
            said["Model-Digest"] = "sha256:" + "b" * 64
        message = "\n".join(f"{key}: {value}" for key, value in said.items())
        self.releases[version] = (
            self.merge(branch, f"Merge #{version}: digits v{version}\n\n{message}"),
            manifest["digest"],
        )

    def pin(self, version: int, cause: str) -> None:
        commit, digest = self.releases[version]
        if self.fault == "pin of another digest" and version == 2:
            digest = "sha256:" + "c" * 64
        entry = f'digits: {{version: {version}, digest: "{digest}"}}'
        text = f"release:\n  commit: {commit}\n  models:\n    {entry}\ncause: {cause}\n"
        branch = f"bowsprit/production-{self.clock}"
        self.git(self.service, "checkout", "-q", "-b", branch)
        self.commit(self.service, {"environments/production.yaml": text}, "pin")
        self.merge(branch, "Promote" if self.fault == "unapproved promotion" else "Promote\n\nApproved-by: rita")

    def write_stations(self) -> None:
        shas = {
            "push": self.good,
            "weak_refused": self.weak,
            "merge": self.releases[1][0],
            **dict.fromkeys(("lgtm", "approve"), self.head[1]),
        }
        if self.fault == "approved another head":
            shas["approve"] = self.head[2]
        verdicts = {"verdict": "passed", "weak_refused": "passed" if self.fault == "weak model passed" else "failed"}
        versions = {"proposal": 1, "second_version": 2, "rollback": 1}
        names = [name for name in STATIONS if (self.fault, name) != ("station missing", "rollback")]
        if self.fault == "station late":
            names.insert(names.index("staging"), names.pop(names.index("promotion")))
        lines = []
        for seconds, name in enumerate(names):
            station = dict.fromkeys(STATION_KEYS) | {"name": name, "seconds": seconds, "sha": shas.get(name)}
            station |= {
                "url": "http://hub/ada/digits-service/pull/1" if name == "proposal" else "",
                "verdict": verdicts.get(name),
            }
            station |= {"model_version": versions.get(name), "http_status": 200 if name in ANSWERING else None}
            lines.append(json.dumps(station))
        (self.folder / "stations").write_text("\n".join(lines), encoding="utf-8")

    # what is served

    def answer(self, path: str, key: str | None, body) -> tuple:
        place, rest = path.lstrip("/").split("/", 1)
        rest = rest.split("?")[0]
        if place == "hub":
            return self.api(rest.removeprefix("repos/ada/digits-service/"))
        version = 1 if place == "production" else 2
        if key != "Bearer k" and (self.fault, place) != ("no key asked", "production"):
            return 401, {}
        if rest == ".bowsprit/live":
            digest = self.releases[2 if self.fault == "live digest differs" else version][1]
            return 200, {"release": "x", "versions": {"digits": version}, "digests": {"digits": digest}}
        if rest == ".bowsprit/models/digits/model.onnx":
            return 200, MODEL[version] + (b"!" if (self.fault, place) == ("bytes differ", "production") else b"")
        if rest == "v1/predict" and body:
            wrong = (self.fault, place, body["rows"]) == ("answers differ", "staging", [7])
            return 200, {"labels": [row * version + wrong for row in body["rows"]]}
        return 404, {}

    def api(self, path: str) -> tuple:
        person = ADA if self.fault == "merged by a person" else BOT
        approved = "2026-01-01T00:00:00Z" if self.fault == "approved before the push" else LATER
        approver = RITA if self.fault == "approver never spoke" else ADA
        state = "failure" if self.fault == "deployment failed" else "success"
        answers = {
            "pulls/1": {
                "number": 1,
                "merged": True,
                "merge_commit_sha": self.releases[1][0],
                "user": BOT,
                "merged_by": person,
                "head": {"sha": self.head[1]},
            },
            "issues/1/comments": [
                {"user": approver, "body": "/approve", "created_at": approved},
                {"user": BOT, "body": "/lgtm", "created_at": approved},
            ],
            "pulls/1/reviews": [{"user": GRACE, "body": "/lgtm", "submitted_at": LATER, "state": "COMMENTED"}],
            "deployments": [{"id": 3, "sha": self.releases[1][0]}],
            "deployments/3/statuses": [{"id": 8, "state": state}, {"id": 7, "state": "in_progress"}],
        }
        return (200, answers[path]) if path in answers else (404, {})


if __name__ == "__main__":
    sys.exit(main())
