"""Training, fitting and measuring a re-ranker, killed at any moment, go on where they stopped and end with the same
bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import luneta

JOB = '''
"""job.py CHECKPOINT FOLDER: imports once, then every run is a fork of its own; writes what came out to FOLDER/out."""
import hashlib, json, os, signal, sys
from pathlib import Path
import luneta
from luneta.cli import app
from luneta.ledger import read_ledger
from luneta.rerank import keeping, pictures, run, training as trainings
from luneta.rerank.recipe import ElipRecipe
from reranking import SMALL, encoder_of
from killing import forked, struck_at
from tuning import pairs

checkpoint, root = Path(sys.argv[1]), Path(sys.argv[2])
PLACES = {
    "a file of pictures": (pictures, "_write"),
    "a step": (trainings.ElipTraining, "step"),
    "a validation": (trainings.ElipTraining, "measured"),
    "the best weights": (trainings, "save_file"),
    "where it stands": (trainings, "save_standing"),
    "a file of scores": (keeping, "_write"),
    "the choice": (run, "choose"),
    "the questions": (run, "question"),
}

def train(folder, recipe, strike):
    def task():
        os.environ["LUNETA_CACHE"] = str(folder / "cache")
        if strike:
            struck_at(PLACES[strike[0]], strike[1], signal.SIGKILL)
        luneta.train_elip(
            encoder_of(checkpoint), pairs(20, per_image=2), validation=pairs(14, start=20), out=folder / "out",
            recipe=ElipRecipe(**{**SMALL, "steps": 8, "validations": 3, "dropout": 0.2, **recipe}), near=False,
        )
    return forked(task)

def bytes_of(folder):
    """Of everything that follows from data and recipe alone."""
    said = json.loads((folder / "out" / "elip.json").read_text())
    said.pop("cost")
    guide = (folder / "out" / "reranker" / "guide.safetensors").read_bytes()
    return [hashlib.sha256(guide).hexdigest(), said, (folder / "out" / "reranker" / "reranker.json").read_text()]

RECIPES = {"first": {"insert_layer": 0}, "late": {"insert_layer": 1}, "global": {"batches": "global", "queries": 6}}
SCENES = [
    ("late", [("a file of pictures", 1), ("a file of pictures", 2), ("a step", 1), ("the best weights", 1),
              ("where it stands", 2), ("a validation", 2), ("a step", 2), ("a file of scores", 1), ("the choice", 1),
              ("the questions", 1), ("a file of scores", 1)]),
    ("first", [("a step", 5), ("where it stands", 2), ("a validation", 2)]),
    ("global", [("a step", 3), ("a validation", 2), ("a step", 2)]),
]
out = {"calm": {}, "struck": []}
for name, recipe in RECIPES.items():
    folder = root / name
    folder.mkdir()
    assert train(folder, recipe, None) == 0
    out["calm"][name] = bytes_of(folder)
for number, (name, strikes) in enumerate(SCENES):
    folder = root / str(number)
    folder.mkdir()
    died = [train(folder, RECIPES[name], strike) for strike in strikes]
    assert train(folder, RECIPES[name], None) == 0
    out["struck"].append([name, strikes, died, bytes_of(folder), sorted(p.name for p in (folder / "out").iterdir())])

os.environ["LUNETA_LEDGER"] = str(root / "ledger.jsonl")
command = ["--quiet", "rerank", "train", "cenas", "--split", "val", "--limit", "40", "--encoder", str(checkpoint),
           "--steps", "4", "--queries", "6", "--hard", "3", "--insert-layer", "-1", "--hidden", "16", "--device", "cpu",
           "--out", str(root / "elip")]
def stopped():
    struck_at(PLACES["a step"], 3, signal.SIGINT)
    app(command)
out["codes"] = [forked(stopped), forked(lambda: app(command)), forked(lambda: app(command))]
out["ledger"] = [entry.status for entry in read_ledger(root / "ledger.jsonl") if entry.kind == "rerank"]
(root / "out").write_text(json.dumps(out))
'''


FITTING = '''
"""job.py FOLDER: fits and measures a cross-encoder; every run is a fork of its own, with a cache of its own."""
import hashlib, json, os, signal, sys, time
from pathlib import Path
import luneta
from luneta.errors import ConfigError
from luneta.rerank import Reranker, evaluate_depths, fitting, keeping, outcome
from crossing import Oracle
from killing import forked, struck_at
from worlds import ConceptEncoder, world

root = Path(sys.argv[1])
keeping.PART = 200
PLACES = {
    "a file of scores": (keeping, "_write"),
    "the choice": (fitting, "choose"),
    "the questions": (fitting, "question"),
    "the re-ranker": (Reranker, "save"),
    "the proof": (fitting, "prove"),
    "what came out": (outcome, "write_json"),
}
ENCODER, OTHERS = ConceptEncoder(noise=2.0), world(110).without_images(range(60))

class Slow(Oracle):
    """Writes down how many pairs it is asked for; its last bits depend on how many these are."""
    def __init__(self, folder, seconds=0.0):
        super().__init__()
        self.folder, self.seconds = folder, seconds
    def score(self, texts, pictures):
        with (self.folder / "asked").open("a") as stream:
            stream.write(f"{len(texts)}\\n")
        time.sleep(self.seconds)
        return [score + 1e-6 * len(texts) for score in super().score(texts, pictures)]

def begun(folder, strike=None):
    folder.mkdir(exist_ok=True)
    os.environ["LUNETA_CACHE"], os.environ["LUNETA_LEDGER"] = str(folder / "cache"), str(folder / "ledger.jsonl")
    if strike:
        struck_at(PLACES[strike[0]], strike[1], signal.SIGKILL)

def fit(folder, strike=None, seconds=0.0):
    def task():
        begun(folder, strike)
        luneta.fit_reranker(ENCODER, Slow(folder, seconds), world(60, captions_per_image=2), out=folder / "out",
                            test=OTHERS, near=False, k=20)
    return forked(task)

def measure(folder, strike=None):
    def task():
        begun(folder, strike)
        reranker = Reranker.load(root / "calm" / "out" / "reranker", ENCODER, cross_encoder=Slow(folder))
        for k, after in evaluate_depths(reranker, OTHERS, (5, 20)).after.items():
            after.save(folder / f"{k}.json")
    return forked(task)

def asked(folder):
    return sum(int(line) for line in (folder / "asked").read_text().split())

def digest(*files):
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

def fitted(folder):
    said = json.loads((folder / "out" / "fitted.json").read_text())
    assert said.pop("cost")["wall_s"] > said.pop("test")["wall_s"] > 0
    out = folder / "out"
    return [said, *digest(out / "reranker" / "reranker.json", out / "after.queries.parquet"),
            sorted(path.name for path in out.iterdir()), asked(folder)]

def measured(folder):
    return [*digest(folder / "5.queries.parquet", folder / "20.queries.parquet"), asked(folder)]

assert fit(root / "calm") == 0
out = {"fit": {"calm": fitted(root / "calm"), "struck": []}, "measure": {"struck": []}}
for number, strikes in enumerate([
    [("a file of scores", 1), ("a file of scores", 4), ("a file of scores", 4)],
    [("the choice", 1), ("the questions", 1), ("a file of scores", 1), ("the re-ranker", 1), ("the proof", 1)],
    [("a file of scores", 7), ("what came out", 1)],
]):
    folder = root / f"fit{number}"
    died = [fit(folder, strike) for strike in strikes]
    assert fit(folder) == 0
    out["fit"]["struck"].append([len(strikes), died, fitted(folder)])
assert measure(root / "measured") == 0
out["measure"]["calm"] = measured(root / "measured")
strikes = [("a file of scores", 2), ("a file of scores", 1)]
died = [measure(root / "measure", strike) for strike in strikes]
assert measure(root / "measure") == 0
out["measure"]["struck"].append([len(strikes), died, measured(root / "measure")])

slow = root / "slow"
process = os.fork()
if process == 0:
    fit(slow, seconds=0.3)
    os._exit(0)
deadline = time.time() + 120
while len(list(slow.rglob("*.scores"))) < 2 and time.time() < deadline:
    time.sleep(0.02)
def second():
    try:
        begun(slow)
        luneta.fit_reranker(ENCODER, Slow(slow), world(60, captions_per_image=2), out=slow / "out", test=OTHERS,
                            near=False, k=20)
    except ConfigError as error:
        (root / "refused").write_text(str(error))
assert forked(second) == 0
(child,) = (Path(f"/proc/{process}/task/{process}/children").read_text().split())
os.kill(int(child), signal.SIGKILL)
os.waitpid(process, 0)
out["refused"], out["kept"] = (root / "refused").read_text(), len(list(slow.rglob("*.scores")))
assert not (slow / "out" / "fitted.json").exists()
assert fit(slow) == 0
out["fit"]["struck"].append([1, [-9], fitted(slow)])
(root / "out").write_text(json.dumps(out))
'''


def done(job: str, root: Path, *arguments: str) -> Any:
    """What a job has written to its folder."""
    (root / "job.py").write_text(job)
    paths = [str(Path(__file__).parents[1]), str(Path(luneta.__file__).parents[1])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "LUNETA_CACHE": str(root),
    }
    folder = root / "work"
    folder.mkdir()
    command = [sys.executable, str(root / "job.py"), *arguments, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out").read_text())


@pytest.fixture(scope="module")
def found(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return done(JOB, tmp_path_factory.mktemp("killed"), str(tiny_checkpoint("clip")))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return done(FITTING, tmp_path_factory.mktemp("scored"))


def test_the_same_bytes_whenever_it_was_killed(found: Any) -> None:
    assert len(found["struck"]) == 3
    for name, strikes, died, files, left in found["struck"]:
        assert died == [-9] * len(strikes), strikes
        assert files == found["calm"][name], strikes
        assert left == ["elip.json", "reranker", "training.json"]
    assert len({files[0] for files in found["calm"].values()}) == 3


def test_ctrl_c_and_the_same_command_again(found: Any) -> None:
    assert found["codes"] == [130, 0, 0]  # stopped; gone on; done already
    assert found["ledger"] == ["interrupted", "finished"]


@pytest.mark.parametrize("what", ["fit", "measure"])
def test_scores_are_kept_and_what_follows_from_them_is_the_same(what: str, scored: Any) -> None:
    *calm, n_asked = scored[what]["calm"]
    assert scored[what]["struck"]
    for n_strikes, died, (*files, n_asked_again) in scored[what]["struck"]:
        assert died == [-9] * n_strikes
        assert files == calm
        assert n_asked <= n_asked_again <= n_asked + 200 * n_strikes  # what was being scored, and no more


def test_two_at_once_and_one_that_is_killed_in_the_middle(scored: Any) -> None:
    assert "another process is training into" in scored["refused"]
    assert scored["kept"] >= 2
