"""Where a training stands, in one file: weights, what the optimizer remembers, the step, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from luneta.artifacts import atomic_path
from luneta.errors import ArtifactError

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a training stands.

    Attributes:
        step: steps that were done.
        history: what was measured on the way, one record each time.
    """

    step: int
    history: Sequence[Mapping[str, float]]


def save_standing(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, standing: Standing) -> None:
    """Write all of it, whole or not at all.

    Raises:
        ArtifactError: it cannot be written.
    """
    tensors = {f"weight/{name}": parameter.detach() for name, parameter in module.named_parameters()}
    for name, parameter in module.named_parameters():
        for moment in _MOMENTS:
            tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    said = {"step": str(standing.step), "history": json.dumps([dict(record) for record in standing.history])}
    with atomic_path(path) as new:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, new, said)


def load_standing(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> Standing | None:
    """Put module and optimizer where they stood; None where nothing was saved yet.

    Raises:
        ArtifactError: the file is damaged, or of another training.
    """
    if not path.is_file():
        return None
    tensors, said = read_tensors(path)
    try:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(tensors[f"weight/{name}"])
                optimizer.state[parameter] = {
                    moment: tensors[f"{moment}/{name}"].to(parameter.device if moment != "step" else "cpu")
                    for moment in _MOMENTS
                }
        return Standing(int(said["step"]), json.loads(said["history"]))
    except (KeyError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path} is not where this training stood: {error}; remove it to begin anew") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} is missing, truncated or no safetensors file: {error}") from error
