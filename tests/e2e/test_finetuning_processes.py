"""Two processes train as one does: the same gradients, the same weights, files written once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import luneta
from luneta.ledger import read_ledger

JOB = '''
"""job.py CHECKPOINT FOLDER: the gradients of a first step, then a training; each process writes what it has."""
import os, sys
from pathlib import Path
import torch
from luneta.ledger import mean_recall
from luneta.encoders.registry import load_encoder
from luneta.finetuning import Recipe, finetune, processes
from luneta.finetuning.trainer import ContrastiveTrainer
from tuning import opened, pairs, swappable, training

root = Path(sys.argv[2])
seen = {}
optimize = ContrastiveTrainer.training_step
def watched(self, model, inputs, n=None):
    loss = optimize(self, model, inputs, n)
    if not seen:
        plain = self.accelerator.unwrap_model(model).model
        seen["gradients"] = {name: p.grad.clone() for name, p in plain.named_parameters() if p.grad is not None}
        seen["pairs"] = inputs["pairs"].clone()
        seen["loss"] = loss.clone()
    return loss
ContrastiveTrainer.training_step = watched

out = {}
for name, recipe in {"full": {"ema": 0.9, "text_negatives": True},
                     "lora": {"method": "lora", "rank": 2, "micro_batch": 2},
                     "lit": {"method": "lit", "loss": "infonce", "micro_batch": 3}}.items():
    seen.clear()
    found = training(opened(Path(sys.argv[1])), swappable(12), root / name / "training",
                     batch_size=6, steps=4, validations=2, learning_rate=1e-3, **recipe)
    weights = found.run()
    processes.wait()
    recalls = [entry["recall"] for entry in found.history if "recall" in entry]
    out[name] = {**seen, "weights": weights, "recalls": recalls}
os.environ.update(LUNETA_LEDGER=str(root / "ledger.jsonl"), LUNETA_CACHE=str(root / "cache"))
recipe = Recipe(method="head", steps=2, batch_size=4, validations=1, precision="float32")
tuned = finetune(load_encoder(sys.argv[1], device="cpu"), pairs(12), out=root / "tuned", recipe=recipe,
                 test=pairs(6, start=20), near=False)
out["finetune"] = {"recall": mean_recall(tuned.proofs[0].after), "alpha": tuned.chosen.alpha}
torch.save(out, root / f"process-{processes.number()}-of-{processes.count()}.pt")
'''


def launch(command: list[str], checkpoint: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "job.py").write_text(JOB)
    paths = [str(Path(__file__).parents[1]), str(Path(luneta.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    whole = [sys.executable, *command, str(folder / "job.py"), str(checkpoint), str(folder)]
    done = subprocess.run(whole, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def folders(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What one process and what two together have left."""
    root = tmp_path_factory.mktemp("processes")
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    launch([], tiny_checkpoint("siglip"), root / "alone")
    launch(two, tiny_checkpoint("siglip"), root / "together")
    return root / "alone", root / "together"


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path]) -> tuple[Any, Any, Any]:
    """What one process has seen, and each of two together."""
    alone, together = folders
    parts = (alone / "process-0-of-1.pt", together / "process-0-of-2.pt", together / "process-1-of-2.pt")
    first, second, third = (torch.load(path) for path in parts)
    return first, second, third


@pytest.mark.parametrize("recipe", ["full", "lora", "lit"])
def test_two_processes_train_as_one(found: tuple[Any, Any, Any], recipe: str) -> None:
    alone, first, second = (each[recipe] for each in found)
    assert torch.equal(torch.cat([first["pairs"], second["pairs"]]), alone["pairs"])
    assert float(first["loss"]) == pytest.approx(float(alone["loss"]), rel=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in alone["gradients"].values())
    for name, gradient in alone["gradients"].items():
        ours, theirs = (each["gradients"].get(name, torch.zeros_like(gradient)) for each in (first, second))
        assert float((gradient - ours).abs().max()) < 2e-6 * max(1.0, largest), name
        assert torch.equal(ours, theirs), name
    assert all(torch.equal(weight, second["weights"][name]) for name, weight in first["weights"].items())
    assert first["recalls"] == second["recalls"]


def test_a_whole_fine_tuning_is_written_down_once(found: tuple[Any, Any, Any], folders: tuple[Path, Path]) -> None:
    alone, first, second = (each["finetune"] for each in found)
    assert first == second
    assert first == pytest.approx(alone)
    for folder in folders:
        assert [(entry.kind, entry.status) for entry in read_ledger(folder / "ledger.jsonl")] == [
            ("finetune", "finished")
        ]
        left = {path.name for path in (folder / "tuned").iterdir()}
        assert {"model", "finetuning.json", "results"} <= left
        assert "training" not in left
