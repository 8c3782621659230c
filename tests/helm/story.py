#!/usr/bin/env python3
"""Plays the main job against a bot that the chart installed, through the public doors alone: git, GitHub's API, the bot's.

    story.py --hub hub.json --hub-url URL --bot URL --token TOKEN --pair FOLDER --namespace NAMESPACE --registry PREFIX

A push becomes Jobs, images, a version and a proposal; a preview answers; /lgtm and /approve bring it to staging, a
promotion to production; a second version replaces the first and a rollback brings the first back, while requests come in
all the time. Ends with 1 at the first thing that is not so. Standard library, git and kubectl only.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_S = 300
POLL_S = 0.3
CALL_S_MAX = 30
PAUSE_S = 0.025
TRAFFIC_S_MAX = 1200
ANSWERS_MIN = 100
OWNER, TRAINING, SERVICE = "ada", "tiny-training", "tiny-service"


class Trouble(Exception):
    """Something is not as the story wants it."""


class Door:
    """A server as one person sees it."""

    def __init__(self, base, token):
        self.base, self.token = base.rstrip("/"), token

    def ask(self, method, path, body=None):
        """Status and JSON of an answer; status 0 where none came."""
        url = path if path.startswith("http") else self.base + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Authorization": f"Bearer {self.token}"}, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=CALL_S_MAX) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError) as error:
            return 0, str(error)

    def get(self, path):
        return self.must("GET", path)

    def must(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        if not 200 <= status < 300:
            raise Trouble(f"{method} {path}: {status} {answer}")
        return answer


class Traffic(threading.Thread):
    """Requests to production, one after another, until told to end."""

    def __init__(self, door, url):
        super().__init__(daemon=True)
        self.door, self.url = door, url
        self.is_over = threading.Event()
        self.answered, self.failed = 0, []

    def run(self):
        until = time.monotonic() + TRAFFIC_S_MAX
        while not self.is_over.is_set() and time.monotonic() < until:
            status, answer = self.door.ask("POST", self.url, {"x": 1.0})
            if status == 200 and "label" in answer:
                self.answered += 1
            else:
                self.failed.append(f"{status} {answer}")
            time.sleep(PAUSE_S)

    def end(self):
        self.is_over.set()
        self.join()


class Story:
    def __init__(self, given, work):
        hub = json.loads(Path(given.hub).read_text())
        tokens = {person["login"]: person["token"] for person in hub["people"]}
        self.given, self.work, self.tokens = given, Path(work), tokens
        self.people = {login: Door(given.hub_url, token) for login, token in tokens.items()}
        self.bot = Door(given.bot, given.token)
        self.began = time.monotonic()

    def say(self, text):
        print(f"  {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    def until(self, what, look):
        """The first answer of `look` that is not None."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found = look()
            if found is not None:
                return found
            time.sleep(POLL_S)
        raise Trouble(f"waited in vain for {what}\n{self.state()}")

    def state(self):
        shown = [f"{one['name']}: {one.get('phase')} {one.get('reason') or ''}" for one in self.environments()]
        runs = self.bot.get("/api/v1/runs")["items"][:3]
        return "\n".join([*shown, *(json.dumps(run)[:600] for run in runs)])

    # What people do.

    def git(self, folder, *words):
        command = ["git", "-c", "user.name=Story", "-c", "user.email=story@example.org", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_S_MAX)
        if done.returncode:
            raise Trouble(f"git {words[0]}: {done.stderr}")
        return done.stdout.strip()

    def push(self, folder, message):
        """Commits what changed and pushes it as the owner; says the commit."""
        base = self.given.hub_url.replace("://", f"://{OWNER}:{self.tokens[OWNER]}@")
        self.git(folder, "add", "-A")
        self.git(folder, "commit", "-q", "-m", message)
        self.git(folder, "push", "-q", f"{base}/{OWNER}/{folder.name}.git", "HEAD:main")
        return self.git(folder, "rev-parse", "HEAD")

    def found(self, repo, half):
        """A repository of that half of the pair."""
        owner = self.people[OWNER]
        owner.must("POST", "/user/repos", {"name": repo})
        for who in ("grace", "linus", "rita"):
            owner.must("PUT", f"/repos/{OWNER}/{repo}/collaborators/{who}", {"permission": "push"})
        folder = self.work / repo
        shutil.copytree(Path(self.given.pair) / half, folder)
        self.git(folder, "init", "-q", "-b", "main")
        self.push(folder, "Start [skip train]")
        return folder

    def comment(self, who, number, text):
        self.people[who].must("POST", f"/repos/{OWNER}/{SERVICE}/issues/{number}/comments", {"body": text})

    # What they see.

    def pull(self, branch):
        """The open pull request of a branch of the bot's."""
        pulls = self.people[OWNER].get(f"/repos/{OWNER}/{SERVICE}/pulls?state=open")
        return next((pull["number"] for pull in pulls if pull["head"]["ref"].startswith(branch)), None)

    def is_merged(self, number):
        return self.people[OWNER].get(f"/repos/{OWNER}/{SERVICE}/pulls/{number}")["merged"] or None

    def environments(self):
        return self.bot.get("/api/v1/environments")["items"]

    def environment(self, wanted):
        return next((one for one in self.environments() if wanted(one)), None)

    def serves(self, name, version):
        """The environment of that name, once it serves that version."""

        def look():
            found = self.environment(lambda one: one["name"] == name and one.get("url"))
            if not found or found["phase"] != "live":
                return None
            versions = {model["version"] for model in found["live"]["models"].values()}
            return found if versions == {version} else None

        return self.until(f"v{version} in {name}", look)

    def predict(self, environment):
        """Asks a served model; the node learns a new address a moment after its first pod is ready."""
        door = Door(environment["url"], self.key(environment["name"]))

        def look():
            status, answer = door.ask("POST", "/v1/predict", {"x": 1.0})
            return answer if status == 200 else None

        answer = self.until(f"an answer of {environment['name']}", look)
        if answer.get("label") != "small":
            raise Trouble(f"{environment['name']} answers {answer}")

    def key(self, name):
        status, keys = self.bot.ask("GET", f"/api/v1/environments/{OWNER}/{SERVICE}/{name}/keys")
        return keys["primary"] if status == 200 else "none"

    def images(self):
        """The image of the gateway and server of each environment."""
        words = ["kubectl", "get", "deployments", "--namespace", f"{self.given.namespace}-environments", "-o", "json"]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["items"]
        label = "bowsprit.dev/environment"
        return {one["metadata"]["labels"][label]: one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found}

    # The stations.

    def land(self, version):
        proposal = self.until("the proposal", lambda: self.pull("bowsprit/tiny"))
        self.say(f"v{version} is proposed: #{proposal}")
        preview = self.until(
            "the preview", lambda: self.environment(lambda one: one.get("pr") == proposal and one.get("url") and one.get("live"))
        )
        self.predict(preview)
        self.say("its preview answers")
        self.comment("grace", proposal, "/lgtm")
        self.comment("ada", proposal, "/approve")
        self.until("the merge", lambda: self.is_merged(proposal))
        self.predict(self.serves("staging", version))
        self.say("staging answers")
        promotion = self.until("the promotion", lambda: self.pull("bowsprit/promote-production"))
        self.comment("rita", promotion, "/approve")
        production = self.serves("production", version)
        self.predict(production)
        self.say("production answers")
        return production

    def play(self):
        self.found(SERVICE, "service")
        training = self.found(TRAINING, "training")
        table = training / "data.csv"
        table.write_text(table.read_text() + "3.0,small\n")
        self.push(training, "Add a row")
        self.say("pushed")
        production = self.land(1)
        first = self.images()
        for name in ("staging", "production"):
            image = first[name]
            if not image.startswith(f"{self.given.registry}/") or "@sha256:" not in image:
                raise Trouble(f"{name} runs in {image}")
        if first["staging"] != first["production"]:
            raise Trouble(f"production is not what staging was: {first}")

        traffic = Traffic(Door(production["url"], self.key("production")), "/v1/predict")
        traffic.start()
        table.write_text(table.read_text() + "2.0,small\n")
        self.push(training, "Add another row")
        self.land(2)
        if self.images()["production"] == first["production"]:
            raise Trouble("the second version is the image of the first")
        issue = self.people["rita"].must("POST", f"/repos/{OWNER}/{SERVICE}/issues", {"title": "Odd answers"})["number"]
        self.comment("rita", issue, "/rollback production 1")
        again = self.serves("production", 1)
        if again["url"] != production["url"]:
            raise Trouble(f"the address changed: {production['url']}, {again['url']}")
        if self.images()["production"] != first["production"]:
            raise Trouble(f"rolled back to {self.images()['production']}")
        self.say("production is what it was")
        traffic.end()
        if traffic.failed or traffic.answered < ANSWERS_MIN:
            raise Trouble(f"{traffic.answered} requests were answered; of the others: {traffic.failed[:5]}")
        self.say(f"{traffic.answered} requests across both switches, none failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in "hub hub-url bot token pair namespace registry".split():
        parser.add_argument(f"--{name}", required=True)
    with tempfile.TemporaryDirectory() as work:
        try:
            Story(parser.parse_args(), work).play()
        except Trouble as trouble:
            print(f"story: {trouble}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
