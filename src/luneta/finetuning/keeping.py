"""What a training keeps on disk as it goes: running averages, whole checkpoints, the best weights so far."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from luneta.artifacts import atomic_path, read_json, write_json
from luneta.finetuning import processes
from luneta.finetuning.sharing import assign, gathered

BEST = "best.safetensors"
_AVERAGE = "average.safetensors"
_WHOLE = "whole.json"


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class RunningAverage:
    """An exponential average of the trained weights over the steps; what is validated and kept in the end.

    The first steps count less of the old, so that the start does not linger: decay = min(ema, (1 + t) / (10 + t)).
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self._model, self._decay = model, decay
        self._average = {} if decay is None else {name: p.detach().clone() for name, p in trained(model).items()}
        self._n_steps = 0

    @torch.no_grad()
    def update(self) -> None:
        if self._decay is None:
            return
        self._n_steps += 1
        decay = min(self._decay, (1 + self._n_steps) / (10 + self._n_steps))
        for name, parameter in trained(self._model).items():
            own = self._average[name].to(parameter.device)  # the Trainer moves the model, and files are read to the CPU
            self._average[name] = own.lerp_(parameter.detach(), 1 - decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts the model has the averaged weights."""
        if self._decay is None:
            yield
            return
        before = {name: parameter.detach().clone() for name, parameter in trained(self._model).items()}
        set_weights(self._model, self._average)
        try:
            yield
        finally:
            set_weights(self._model, before)

    def save(self, folder: Path) -> None:
        if self._decay is not None:
            average = gathered(self._average)
            if processes.is_main():
                save_file(average, folder / _AVERAGE)
                write_json(folder / "average.json", {"n_steps": self._n_steps})

    def load(self, folder: Path) -> None:
        if self._decay is not None:
            for name, value in load_file(folder / _AVERAGE).items():
                assign(self._average[name], value)
            self._n_steps = read_json(folder / "average.json")["n_steps"]


def set_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the parameters of the same names."""
    parameters = dict(model.named_parameters())
    for name, value in weights.items():
        assign(parameters[name], value)


class Keeper(TrainerCallback):  # type: ignore[misc]
    """Keeps the average up to date, marks checkpoints that are whole, and writes the best weights so far.

    What is best is read from the log of validations, which a checkpoint carries: so a training that was killed and
    goes on decides as if nothing had happened.
    """

    def __init__(self, model: nn.Module, folder: Path, average: RunningAverage, patience: int | None) -> None:
        self._model, self._folder, self._average, self._patience = model, folder, average, patience

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._average.update()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        recalls = [entry["eval_recall"] for entry in state.log_history if "eval_recall" in entry]
        best = recalls.index(max(recalls))
        if best == len(recalls) - 1:
            with self._average.applied():
                weights = gathered({name: p.detach() for name, p in trained(self._model).items()})
                if processes.is_main():
                    with atomic_path(self._folder / BEST) as path:
                        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
        if _is_out_of_patience(state.log_history, self._patience):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        processes.wait()  # each writes the state of its random generators
        checkpoint = self._folder / f"checkpoint-{state.global_step}"
        self._average.save(checkpoint)
        if processes.is_main():
            write_json(checkpoint / _WHOLE, {"step": state.global_step})

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint of this training."""
        self._average.load(checkpoint)


def last_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that was written whole."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / _WHOLE).is_file()]
    return max(whole, key=_step_of, default=None)


def ended(checkpoint: Path | None, n_steps: int, patience: int | None) -> dict[str, Any] | None:
    """The trainer's state where a checkpoint is that of the last step, after which only a measurement was missing."""
    if checkpoint is None:
        return None
    state: dict[str, Any] = read_json(checkpoint / "trainer_state.json")
    done = state["global_step"] >= n_steps or _is_out_of_patience(state["log_history"], patience)
    return state if done else None


def n_done(folder: Path, n_steps: int, patience: int | None) -> int:
    """Steps of a training that need not be done again: all, where it has ended."""
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        return 0
    return n_steps if ended(checkpoint, n_steps, patience) else _step_of(checkpoint)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def _is_out_of_patience(log: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    recalls = [entry["eval_recall"] for entry in log if "eval_recall" in entry]
    return patience is not None and bool(recalls) and len(recalls) - 1 - recalls.index(max(recalls)) >= patience


def remove_half_checkpoints(folder: Path) -> None:
    """Those that a training was writing when it was killed."""
    for path in folder.glob("checkpoint-*"):
        if not (path / _WHOLE).is_file():
            shutil.rmtree(path)
