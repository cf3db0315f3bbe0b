"""The training of a re-ranker that is killed at any moment goes on where it stopped, and ends with the same bytes."""

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
from luneta.rerank import pictures, run, training as trainings
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
    "the choice": (run, "choose"),
    "the questions": (run, "question"),
}

def train(folder, recipe, strike):
    def task():
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
              ("where it stands", 2), ("a validation", 2), ("a step", 2), ("the choice", 1), ("the questions", 1)]),
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


@pytest.fixture(scope="module")
def found(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("killed")
    (root / "job.py").write_text(JOB)
    paths = [str(Path(__file__).parents[1]), str(Path(luneta.__file__).parents[1])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "LUNETA_CACHE": str(root),
    }
    folder = root / "work"
    folder.mkdir()
    command = [sys.executable, str(root / "job.py"), str(tiny_checkpoint("clip")), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out").read_text())


def test_the_same_bytes_whenever_it_was_killed(found: Any) -> None:
    assert len(found["struck"]) == 3
    for name, strikes, died, files, left in found["struck"]:
        assert died == [-9] * len(strikes), strikes
        assert files == found["calm"][name], strikes
        assert left == ["elip.json", "reranker", "training.json"]
    assert len({files[0] for files in found["calm"].values()}) == 3


def test_ctrl_c_and_the_same_command_again(found: Any) -> None:
    assert found["codes"] == [130, 0, 2]  # stopped; gone on; there is a result, which is not thrown away
    assert found["ledger"] == ["interrupted", "finished"]
