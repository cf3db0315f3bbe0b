"""Training in several processes, as `torchrun` starts them, and `accelerate launch` on GPUs."""

from __future__ import annotations

import os
from typing import TypeVar

import torch.distributed

from luneta.errors import ConfigError

T = TypeVar("T")

_LAUNCHED = "LOCAL_RANK"


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


def check_whole_models() -> None:
    """
    Raises:
        ConfigError: the launcher wants to share one model's weights among the processes.
    """
    for name, meant in (("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")):
        if os.environ.get(name, "false").lower() in ("1", "true", "yes"):
            raise ConfigError(
                f"{meant} shares the weights of one model among processes; here each process holds the whole model: "
                f"launch without {meant} (several GPUs train by DDP). For memory take --micro-batch or --checkpointing"
            )


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
