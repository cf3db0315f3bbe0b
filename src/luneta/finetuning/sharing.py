"""One model shared out among processes (FSDP): each holds a part of every block, of its gradients and of its moments.

A block is put together when it is needed and forgotten after it (where products are rounded to 16 bits, what autocast
has rounded of it stays until the backward pass). What is not in a block (heads, scale and bias) is small: every process
has all of it. Parameters that are shared out are `DTensor`s.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.trainer import OPTIMIZER_NAME, SAFE_WEIGHTS_NAME, SCHEDULER_NAME

from luneta.errors import ConfigError
from luneta.finetuning import processes
from luneta.finetuning.recipe import Recipe
from luneta.types import Trainable


def check_shareable(recipe: Recipe, precision: str) -> None:
    """
    Raises:
        ConfigError: a recipe whose steps the processes could not make together.
    """
    if recipe.text_negatives:
        raise ConfigError("text_negatives are found for some captions only, and with FSDP all processes have to read "
                          "equally often: leave one of the two out")  # fmt: skip
    if precision == "float16":
        raise ConfigError("float16 and FSDP do not go together here; take precision='bfloat16' or 'float32'")


@contextlib.contextmanager
def shared_out(trainable: Trainable) -> Iterator[None]:
    """While it lasts the blocks of a model are shared out; after it every process has all of it again.

    Where one process fails the others cannot put the model together: it stays in pieces, as the training has failed.
    """
    model = trainable.model
    device = next(model.parameters()).device
    mesh = init_device_mesh(device.type, (processes.count(),))
    plain = {}
    for name in trainable.towers.blocks():
        module = model.get_submodule(name)
        plain[name] = copy.deepcopy(module).cpu()
        fully_shard(module, mesh=mesh, reshard_after_forward=True)  # its own root: by default it would stay whole
    yield
    for name, module in plain.items():
        module.load_state_dict({key: whole(value) for key, value in model.get_submodule(name).state_dict().items()})
        model.set_submodule(name, module.to(device))


class Together(nn.Module):
    """Stands where the Trainer would put the wrapper that keeps whole copies of a model equal: it wraps nothing that
    is wrapped already."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, **inputs: Any) -> Any:
        """As `Student`."""
        return self.student(**inputs)


def whole(tensor: Tensor) -> Tensor:
    """A tensor with what all processes have of it; all must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def assign(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor, or one shared out in the same way, into one that may be shared out."""
    target.copy_(_like(value, target))


def gathered(state: Any) -> Any:
    """Weights, or the state of an optimizer, whole and in main memory for the first process; all must ask for it.

    They are put together one by one: on no device is ever more than one of them whole. The others get None in the place
    of what was shared out.
    """
    if isinstance(state, DTensor):
        found = state.full_tensor()
        return found.cpu() if processes.is_main() else None
    if isinstance(state, Mapping):
        return {key: gathered(value) for key, value in state.items()}
    return [gathered(value) for value in state] if isinstance(state, list) else state


def save_state(optimizer: Any, schedule: Any, folder: Path) -> None:
    """Write both as the Trainer does with whole tensors; all must call it, and the first writes."""
    state = gathered(optimizer.state_dict())
    if processes.is_main():
        torch.save(state, folder / OPTIMIZER_NAME)
        torch.save(schedule.state_dict(), folder / SCHEDULER_NAME)


def load_state(optimizer: Any, schedule: Any, folder: Path) -> None:
    """What the Trainer has written, or `save_state`, each process taking its part."""
    state = torch.load(folder / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():
        parameter = parameters[number]
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = _like(value, parameter)
    optimizer.load_state_dict(state)
    schedule.load_state_dict(torch.load(folder / SCHEDULER_NAME, weights_only=True))


def load_weights(model: nn.Module, checkpoint: Path) -> None:
    """Of a checkpoint that the Trainer has written."""
    kept = load_file(checkpoint / SAFE_WEIGHTS_NAME)
    for name, tensor in model.state_dict().items():
        assign(tensor, kept[name])


def _like(value: Tensor, target: Tensor) -> Tensor:
    if not isinstance(target, DTensor) or isinstance(value, DTensor):
        return value
    own = value.to(target.device)  # of all processes the same: nothing need be sent
    return distribute_tensor(own, target.device_mesh, target.placements, src_data_rank=None)
