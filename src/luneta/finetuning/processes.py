"""Training in several processes, as `torchrun` and `accelerate launch` start them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from luneta.errors import ConfigError

T = TypeVar("T")

_LAUNCHED = "LOCAL_RANK"
_FSDP = "ACCELERATE_USE_FSDP"
_asked: ContextVar[str] = ContextVar("luneta_fsdp", default="false")


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1")) if _LAUNCHED in os.environ else 1


def number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if _LAUNCHED in os.environ else 0


def is_main() -> bool:
    """Whether this is the one process that writes files and speaks."""
    return number() == 0


def are_joined() -> bool:
    """Whether there are several that can speak with one another by now."""
    return torch.distributed.is_available() and torch.distributed.is_initialized() and count() > 1


def shares_weights() -> bool:
    """Whether the processes are to hold one model together, as `accelerate launch --use_fsdp` asks for.

    Raises:
        ConfigError: the launcher asks for what is not done here.
    """
    if _is_set("ACCELERATE_USE_DEEPSPEED"):
        raise ConfigError("DeepSpeed is not used here: launch without it (several GPUs train by DDP), or with "
                          "--use_fsdp, which shares one model out among them")  # fmt: skip
    asked = _is_set(_FSDP) or _means_yes(_asked.get())
    if asked and _is_set("FSDP_OFFLOAD_PARAMS"):
        raise ConfigError("weights are not kept in main memory here: launch without --fsdp_offload_params. For memory "
                          "take a smaller micro_batch or checkpointing")  # fmt: skip
    return asked and count() > 1


@contextlib.contextmanager
def shared_by_ourselves() -> Iterator[None]:
    """While it lasts nobody but `shares_weights` sees that FSDP was asked for.

    accelerate shares models out on GPUs only, and not those with scales of no dimension, as CLIP's; transformers would
    load empty weights in all processes but the first.
    """
    before = os.environ.pop(_FSDP, None)
    token = None if before is None else _asked.set(before)
    try:
        yield
    finally:
        if before is not None and token is not None:
            os.environ[_FSDP] = before
            _asked.reset(token)


def _is_set(name: str) -> bool:
    return _means_yes(os.environ.get(name, "false"))


def _means_yes(value: str) -> bool:
    return value.lower() in ("1", "true", "yes")


def wait() -> None:
    """Go on when all have come here."""
    if are_joined():
        torch.distributed.barrier()


def of_main(value: T) -> T:
    """What the main process has, in all of them."""
    if not are_joined():
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def gather(values: Tensor) -> Tensor:
    """The rows of all processes, with gradients to each; the values themselves where there is one process."""
    if not are_joined():
        return values
    sizes = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(count())]
    torch.distributed.all_gather(sizes, sizes[0] + len(values))
    longest = max(int(size) for size in sizes)
    padded = torch.cat([values, values.new_zeros((longest - len(values), *values.shape[1:]))])
    parts = _AllGather.apply(padded)  # type: ignore[no-untyped-call]
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])


class _AllGather(torch.autograd.Function):
    """What each process has, in all of them. The gradients of the processes add up, and the parameters' are averaged
    after that: each has computed the loss of the whole batch."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> tuple[Tensor, ...]:
        parts = [torch.empty_like(values) for _ in range(count())]
        torch.distributed.all_gather(parts, values.contiguous())
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = torch.stack(gradients)
        torch.distributed.all_reduce(whole)
        return whole[number()]


def average_gradients(model: nn.Module) -> None:
    """Over all processes, where there are several and no wrapper does it: after parts, which went past it, and where
    the blocks are shared out, whose gradients are averaged already."""
    if not are_joined():
        return
    for parameter in model.parameters():
        if parameter.requires_grad and not isinstance(parameter, DTensor):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= count()
