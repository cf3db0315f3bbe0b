"""Where and in which format an encoder computes."""

from __future__ import annotations

import pytest
import torch

from luneta.encoders import precision
from luneta.encoders.precision import computing, cpu_multiplies_bfloat16, lower_matrices, resolve_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(("hardware", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_auto_follows_the_hardware(hardware: bool, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: hardware)
    assert resolve_dtype("auto", CPU) == dtype
    assert resolve_dtype("float16", CPU) == "float16"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16 avx512_vnni", True),
        ("fpu amx_bf16 amx_tile", True),
        ("fpu avx2 avx512f", False),
        ("", False),
    ],
)
def test_flags_of_a_processor(flags: str, expected: bool) -> None:
    assert cpu_multiplies_bfloat16(f"model name\t: X avx512_bf16\nflags\t\t: {flags}\nbugs\t\t: none\n") is expected


@pytest.mark.parametrize(
    ("flags", "expected"), [("fp asimd sve i8mm bf16 dgh", True), ("fp asimd sve svebf16x", False)]
)
def test_flags_of_an_arm_processor(flags: str, expected: bool) -> None:
    cpuinfo = f"processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: {flags}\nCPU part\t: 0xd40\n"
    assert cpu_multiplies_bfloat16(cpuinfo) is expected


def test_a_processor_that_tells_nothing() -> None:
    assert cpu_multiplies_bfloat16("processor: 0\nmodel name: bf16\n") is False


def test_only_matrices_are_lowered() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Embedding(4, 8))
    lower_matrices(model, "bfloat16")
    assert [parameter.dtype for parameter in model.parameters()] == [torch.bfloat16] * 2 + [torch.float32] * 3
    with computing("bfloat16", CPU):
        stream = torch.ones(1, 8)
        assert model[0](stream).dtype == torch.bfloat16
        assert model[1](stream + model[0](stream)).dtype == torch.float32


@pytest.mark.parametrize(
    ("asked", "number", "given"),
    [
        ("auto", "1", "cuda:1"),
        ("cuda", "1", "cuda:1"),
        ("cuda:0", "1", "cuda:0"),
        ("auto", "7", "cuda"),
        ("auto", None, "cuda"),
        ("cpu", "1", "cpu"),
    ],
)
def test_each_process_of_a_launcher_has_a_gpu_of_its_own(
    asked: str, number: str | None, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if number is not None:
        monkeypatch.setenv("LOCAL_RANK", number)
    assert str(precision.resolve_device(asked)) == given
