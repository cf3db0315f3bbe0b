"""A training that is killed at any moment goes on where it stopped, and ends with the same weights, bit for bit."""

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
import hashlib, json, os, signal, sys, warnings
from pathlib import Path
import torch, transformers.trainer, peft
from luneta.cli import app
from luneta.ledger import read_ledger
from luneta.finetuning import keeping, negatives, trainer, training as trainings
from killing import forked, struck_at
from tuning import opened, pairs, training

checkpoint, root = Path(sys.argv[1]), Path(sys.argv[2])
LIBRARY = transformers.trainer.Trainer
PLACES = {
    "a step": (trainer.ContrastiveTrainer, "training_step"),
    "a validation": (trainer.ContrastiveTrainer, "evaluate"),
    "the best weights": (keeping, "save_file"),
    "weights of a checkpoint": (LIBRARY, "_save"),
    "optimizer of a checkpoint": (LIBRARY, "_save_optimizer_and_scheduler"),
    "random state of a checkpoint": (LIBRARY, "_save_rng_state"),
    "average of a checkpoint": (keeping.RunningAverage, "save"),
    "mark of a checkpoint": (keeping, "write_json"),
    "features": (trainings.np, "save"),
    "hard negatives": (negatives.Miner, "mine"),
}

def train(folder, recipe, strike):
    def task():
        if strike:
            struck_at(PLACES[strike[0]], strike[1], signal.SIGKILL)
        found = training(opened(checkpoint, dropout=0.2), pairs(10, per_image=2), folder / "training",
                         steps=7, batch_size=4, validations=3, learning_rate=1e-3, **recipe)
        weights = found.run()
        digest = hashlib.sha256()
        for name in sorted(weights):
            digest.update(name.encode() + weights[name].numpy().tobytes())
        log = [entry for entry in found.history if "recall" in entry]
        (folder / "end.json").write_text(json.dumps([digest.hexdigest(), log]))
    return forked(task)

RECIPES = {
    "full": {"ema": 0.9, "augment": True, "text_negatives": True, "micro_batch": 2},
    "lora": {"method": "lora", "rank": 2},
    "lit": {"method": "lit", "ema": 0.5, "hard_negatives": True, "refresh": 1},
}
SCENES = [
    ("full", [("the best weights", 1), ("optimizer of a checkpoint", 1), ("a validation", 2),
              ("average of a checkpoint", 1), ("mark of a checkpoint", 1), ("a step", 5)]),  # the first of an epoch
    ("lora", [("random state of a checkpoint", 2)]),
    ("lit", [("features", 1), ("hard negatives", 2), ("weights of a checkpoint", 3)]),
]
out = {"calm": {}, "struck": []}
for name, recipe in RECIPES.items():
    folder = root / name
    folder.mkdir()
    assert train(folder, recipe, None) == 0
    out["calm"][name] = json.loads((folder / "end.json").read_text())
for number, (name, strikes) in enumerate(SCENES):
    folder = root / str(number)
    folder.mkdir()
    died = [train(folder, RECIPES[name], (*strike,)) for strike in strikes]
    assert train(folder, RECIPES[name], None) == 0
    out["struck"].append([name, strikes, died, json.loads((folder / "end.json").read_text())])

os.environ["LUNETA_LEDGER"] = str(root / "ledger.jsonl")
command = ["--quiet", "finetune", "cenas", "--limit", "30", "--encoder", str(checkpoint), "--steps", "3",
           "--batch-size", "4", "--out", str(root / "tuned"), "--device", "cpu"]
def stopped():
    struck_at(PLACES["a step"], 3 + 2, signal.SIGINT)  # three are rehearsed
    app(command)
out["codes"] = [forked(stopped), forked(lambda: app(command)), forked(lambda: app(command))]
out["ledger"] = [entry.status for entry in read_ledger(root / "ledger.jsonl") if entry.kind == "finetune"]
out["left"] = sorted(path.name for path in (root / "tuned").iterdir())
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


def test_the_same_weights_whenever_it_was_killed(found: Any) -> None:
    assert len(found["struck"]) == 3
    for name, strikes, died, (digest, log) in found["struck"]:
        assert died == [-9] * len(strikes), strikes
        assert digest == found["calm"][name][0], strikes
        assert log == found["calm"][name][1], strikes


def test_other_recipes_end_otherwise(found: Any) -> None:
    assert len({digest for digest, _ in found["calm"].values()}) == 3


def test_ctrl_c_and_the_same_command_again(found: Any) -> None:
    assert found["codes"] == [130, 0, 0]  # stopped; gone on; done already
    assert found["ledger"] == ["interrupted", "finished"]
    assert {"model", "finetuning.json", "results"} <= set(found["left"])
    assert "training" not in found["left"]
