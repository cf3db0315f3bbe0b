"""Training in several processes, as `torchrun` and `accelerate launch` start them."""

from __future__ import annotations

import os
from typing import TypeVar

import torch.distributed

from luneta.errors import ConfigError

T = TypeVar("T")

_LAUNCHED = "LOCAL_RANK"
_FSDP, _SHARED = "ACCELERATE_USE_FSDP", "LUNETA_USE_FSDP"


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
    _take_over()
    if _is_set("ACCELERATE_USE_DEEPSPEED"):
        raise ConfigError("DeepSpeed is not used here: launch without it (several GPUs train by DDP), or with "
                          "--use_fsdp, which shares one model out among them")  # fmt: skip
    asked = _is_set(_SHARED)
    if asked and _is_set("FSDP_OFFLOAD_PARAMS"):
        raise ConfigError("weights are not kept in main memory here: launch without --fsdp_offload_params. For memory "
                          "take a smaller micro_batch or checkpointing")  # fmt: skip
    return asked and count() > 1


def _take_over() -> None:
    """Share the model out ourselves: accelerate does it on GPUs only, and does not do it to scales of no dimension.

    What it reads in the environment would also make transformers load empty weights in all processes but the first.
    """
    if _is_set(_FSDP):
        os.environ[_SHARED] = os.environ.pop(_FSDP)


def _is_set(name: str) -> bool:
    return os.environ.get(name, "false").lower() in ("1", "true", "yes")


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
