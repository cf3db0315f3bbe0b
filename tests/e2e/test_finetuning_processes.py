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
from tuning import differences

JOB = '''
"""job.py FOLDER: the gradients of a first step, then a training; each process writes what it has."""
import contextlib, os, sys
from pathlib import Path
import torch
from luneta.ledger import mean_recall
from luneta.encoders.registry import load_encoder
from luneta.finetuning import Recipe, finetune, processes
from luneta.finetuning.sharing import whole
from luneta.finetuning.trainer import ContrastiveTrainer
from tuning import opened, pairs, swappable, training

root = Path(sys.argv[1])
checkpoints = {name: Path(os.environ[name.upper()]) for name in ("siglip", "clip", "naflex", "altclip", "align")}
seen = {}
stop_at = None
optimize = ContrastiveTrainer.training_step
def watched(self, model, inputs, n=None):
    if self.state.global_step == stop_at:
        raise KeyboardInterrupt
    loss = optimize(self, model, inputs, n)
    if not seen:
        plain = self.model.model
        seen["gradients"] = {name: whole(p.grad).clone() for name, p in plain.named_parameters() if p.grad is not None}
        seen["held"] = sum(getattr(p, "to_local", lambda p=p: p)().numel() for p in plain.parameters())
        seen["pairs"] = inputs["pairs"].clone()
        seen["loss"] = loss.clone()
    return loss
ContrastiveTrainer.training_step = watched

def run(name, checkpoint, recipe):
    seen.clear()
    found = training(opened(checkpoint), swappable(12), root / name / "training",
                     **{"batch_size": 6, "steps": 4, "validations": 2, "learning_rate": 1e-3, **recipe})
    weights = found.run()
    processes.wait()
    return {**seen, "weights": weights, "recalls": [entry["recall"] for entry in found.history if "recall" in entry]}

shared = processes.shares_weights()
out = {}
for name, recipe in {"full": {"ema": 0.9},
                     "swapped": {"text_negatives": True},
                     "lora": {"method": "lora", "rank": 2, "micro_batch": 2},
                     "lit": {"method": "lit", "loss": "infonce", "micro_batch": 3},
                     "mined": {"hard_negatives": True, "refresh": 1, "checkpointing": True}}.items():
    if not (shared and "text_negatives" in recipe):  # which is refused
        out[name] = run(name, checkpoints["siglip"], recipe)
for name in ("clip", "naflex", "altclip", "align"):
    out[name] = run(name, checkpoints[name], {"steps": 1, "validations": 1})
if processes.count() > 1:
    asked = str(shared).lower()
    ways = {"stopped": (asked, asked)}
    if shared:
        ways |= {"shared, then whole": ("true", "false"), "whole, then shared": ("false", "true")}
    for name, (begun, ended) in ways.items():
        os.environ["ACCELERATE_USE_FSDP"], stop_at = begun, 3
        with contextlib.suppress(KeyboardInterrupt):
            run(name, checkpoints["siglip"], {"ema": 0.9})
        os.environ["ACCELERATE_USE_FSDP"], stop_at = ended, None
        out[name] = run(name, checkpoints["siglip"], {"ema": 0.9})
    os.environ["ACCELERATE_USE_FSDP"] = asked
os.environ.update(LUNETA_LEDGER=str(root / "ledger.jsonl"), LUNETA_CACHE=str(root / "cache"))
recipe = Recipe(method="head", steps=2, batch_size=4, validations=1, precision="float32")
tuned = finetune(load_encoder(str(checkpoints["siglip"]), device="cpu"), pairs(12), out=root / "tuned", recipe=recipe,
                 test=pairs(6, start=20), near=False)
out["finetune"] = {"recall": mean_recall(tuned.proofs[0].after), "alpha": tuned.chosen.alpha}
torch.save(out, root / f"process-{processes.number()}-of-{processes.count()}.pt")
'''


FAMILIES = ("siglip", "clip", "siglip2-naflex", "altclip", "align")
TWO = {
    "DDP": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "FSDP": ["-m", "accelerate.commands.launch", "--use_fsdp", "--num_processes", "2"],
}


def launch(command: list[str], checkpoints: dict[str, Path], folder: Path) -> None:
    folder.mkdir()
    (folder / "job.py").write_text(JOB)
    paths = [str(Path(__file__).parents[1]), str(Path(luneta.__file__).parents[1])]
    named = {name.split("-")[-1].upper(): str(path) for name, path in checkpoints.items()}
    environment = {**os.environ, **named, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *command, str(folder / "job.py"), str(folder)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def folders(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What one process has left, and what two together, each with the whole model (DDP) or a part of it (FSDP)."""
    root = tmp_path_factory.mktemp("processes")
    checkpoints = {family: tiny_checkpoint(family) for family in FAMILIES}
    for name, command in {"alone": [], **TWO}.items():
        launch(command, checkpoints, root / name)
    return {name: root / name for name in ("alone", *TWO)}


@pytest.fixture(scope="module")
def found(folders: dict[str, Path]) -> dict[str, list[Any]]:
    """What each process has seen."""
    return {
        name: [torch.load(path) for path in sorted(folder.glob("process-*.pt"))] for name, folder in folders.items()
    }


LESSONS = ("full", "lora", "lit", "mined", "clip", "naflex", "altclip", "align")


@pytest.mark.parametrize(
    ("together", "lesson"),
    [("DDP", "swapped"), *((together, lesson) for together in TWO for lesson in LESSONS)],
)
def test_two_processes_train_as_one(found: dict[str, list[Any]], together: str, lesson: str) -> None:
    (alone,), (first, second) = ([each[lesson] for each in found[name]] for name in ("alone", together))
    assert torch.equal(torch.cat([first["pairs"], second["pairs"]]), alone["pairs"])
    assert float(first["loss"]) == pytest.approx(float(alone["loss"]), rel=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in alone["gradients"].values())
    for name, gradient in alone["gradients"].items():
        ours, theirs = (each["gradients"].get(name, torch.zeros_like(gradient)) for each in (first, second))
        assert float((gradient - ours).abs().max()) < 2e-6 * max(1.0, largest), name
        assert torch.equal(ours, theirs), name
    assert all(torch.equal(weight, second["weights"][name]) for name, weight in first["weights"].items())
    assert first["recalls"] == second["recalls"]


@pytest.mark.parametrize("lesson", ["full", "lit", "mined"])
def test_a_model_shared_out_learns_what_whole_ones_do(found: dict[str, list[Any]], lesson: str) -> None:
    whole, shared = (found[together][0][lesson] for together in TWO)
    assert max(differences(whole["weights"], shared["weights"]).values()) < 2e-5
    assert whole["recalls"] == shared["recalls"]


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_holds_about_half_of_a_model_shared_out(found: dict[str, list[Any]], lesson: str) -> None:
    whole, parts = found["DDP"][0][lesson]["held"], [each[lesson]["held"] for each in found["FSDP"]]
    assert sum(parts) >= whole
    assert max(parts) < 0.65 * whole


@pytest.mark.parametrize("together", TWO)
def test_two_processes_that_were_stopped_go_on_where_they_were(found: dict[str, list[Any]], together: str) -> None:
    for each in found[together]:
        assert max(differences(each["stopped"]["weights"], each["full"]["weights"]).values()) == 0
        assert each["stopped"]["recalls"] == each["full"]["recalls"]


@pytest.mark.parametrize("way", ["shared, then whole", "whole, then shared"])
def test_a_training_goes_on_where_the_model_is_held_otherwise(found: dict[str, list[Any]], way: str) -> None:
    for each in found["FSDP"]:
        assert max(differences(each[way]["weights"], each["full"]["weights"]).values()) < 2e-5
        assert each[way]["recalls"] == each["full"]["recalls"]


@pytest.mark.parametrize("together", TWO)
def test_a_whole_fine_tuning_is_written_down_once(
    found: dict[str, list[Any]], folders: dict[str, Path], together: str
) -> None:
    (alone,), (first, second) = ([each["finetune"] for each in found[name]] for name in ("alone", together))
    assert first == second
    assert first == pytest.approx(alone)
    for folder in (folders["alone"], folders[together]):
        assert [(entry.kind, entry.status) for entry in read_ledger(folder / "ledger.jsonl")] == [
            ("finetune", "finished")
        ]
        left = {path.name for path in (folder / "tuned").iterdir()}
        assert {"model", "finetuning.json", "results"} <= left
        assert "training" not in left
