"""Where an encoder computes and in which number format."""

from __future__ import annotations

import contextlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from luneta.errors import ConfigError, did_you_mean

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(device: str) -> torch.device:
    """`auto` is the GPU when there is one; of several processes that a launcher has started, each has its own.

    Raises:
        ConfigError: no such kind of device, or none of it here.
    """
    if not isinstance(device, str | torch.device):
        raise ConfigError(f"device is {device!r}, expected a name: auto, cpu, cuda or mps")
    if device == "auto":
        return _own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        kind = device.partition(":")[0]
        raise ConfigError(f"unknown device {device!r}. {did_you_mean(kind, ['auto', 'cpu', 'cuda', 'mps'])}") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(resolved.type, False):
        raise ConfigError(
            f"device {device!r} was asked for, but PyTorch {torch.__version__} finds none here; use 'auto'"
        )
    return _own_gpu() if resolved.type == "cuda" and resolved.index is None else resolved


def _own_gpu() -> torch.device:
    """That of this process: the launcher has numbered the processes of a machine."""
    number = os.environ.get("LOCAL_RANK", "")
    if number.isdecimal() and int(number) < torch.cuda.device_count():
        return torch.device("cuda", int(number))
    return torch.device("cuda")


def resolve_dtype(dtype: str, device: torch.device) -> str:
    """`auto` is bfloat16 where the hardware computes it, else float32.

    Raises:
        ConfigError: no such number format.
    """
    if not isinstance(dtype, str):
        raise ConfigError(f"dtype is {dtype!r}, expected a name: auto, {', '.join(DTYPES)}")
    if dtype == "auto":
        return "bfloat16" if computes_bfloat16(device) else "float32"
    if dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {dtype!r}. {did_you_mean(dtype, ['auto', *DTYPES])}")
    return dtype


@cache
def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; where they are emulated they are many times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and platform.system() == "Linux":
        with contextlib.suppress(OSError):
            return cpu_multiplies_bfloat16(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    return False


def cpu_multiplies_bfloat16(cpuinfo: str) -> bool:
    """Whether a processor has bfloat16 instructions, from the text of /proc/cpuinfo.

    >>> cpu_multiplies_bfloat16("flags\\t\\t: fpu avx2 avx512f avx512_bf16")  # x86
    True
    >>> cpu_multiplies_bfloat16("flags\\t\\t: fpu avx2 avx512f")
    False
    >>> cpu_multiplies_bfloat16("Features\\t: fp asimd i8mm bf16")  # Arm
    True
    """
    flags = next((line for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))), "").split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def lower_matrices(model: nn.Module, dtype: str) -> None:
    """Hold the matrices of linear layers and convolutions in `dtype`, everything else in float32.

    Under `computing(dtype)` products run in `dtype` while sums along the residual stream, norms, softmax and
    pooling stay in float32: as exact as automatic mixed precision (half the error of a model cast whole), without
    converting the weights again for every batch.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.to(DTYPES[dtype])


SMALL_MODEL = 20_000_000
"""Parameters below which one thread computes a batch: its matrices are too small to share out."""


@contextlib.contextmanager
def threads_for(model: nn.Module, device: torch.device) -> Any:
    """One CPU thread for a small model, all of them for others.

    Threads that share a product of small matrices spend their time waiting for one another: on two busy cores
    luneta-mini reads 190 texts a second with two threads and 1750 with one. The other cores decode meanwhile.
    """
    before = torch.get_num_threads()
    small = device.type == "cpu" and sum(parameter.numel() for parameter in model.parameters()) < SMALL_MODEL
    if small:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if small:
            torch.set_num_threads(before)


@contextlib.contextmanager
def computing(dtype: str, device: torch.device) -> Any:
    """Inference in `dtype`; plain inference mode for float32."""
    with torch.inference_mode(), mixed(dtype, device):
        yield


def mixed(dtype: str, device: torch.device) -> torch.autocast:
    """Products in `dtype`, sums and norms in float32; nothing of it for float32."""
    return torch.autocast(device.type, dtype=DTYPES[dtype], enabled=dtype != "float32")
