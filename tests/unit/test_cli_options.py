"""The command line's options mirror the functions they call: same names, same defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from luneta.cli import embed, evaluate, profile
from luneta.data.sources import open_dataset
from luneta.embedding import embed_to_store
from luneta.encoders.registry import load_encoder
from luneta.evaluation import evaluate as evaluate_function

PAGE = {"json", "report", "locale", "data", "encoder", "out"}  # what the command line adds: where things go
NOT_OFFERED = {"source", "dataset", "store", "n_threads"}  # named differently, or of no use in a shell


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        (evaluate.command, (open_dataset, load_encoder, evaluate_function)),
        (embed.command, (open_dataset, load_encoder, embed_to_store)),
        (profile.command, (open_dataset,)),
    ],
)
def test_options_mirror_the_functions(command: Callable[..., Any], functions: tuple[Callable[..., Any], ...]) -> None:
    offered = parameters(command)
    known = {name: default for function in functions for name, default in parameters(function).items()}
    assert set(offered) - PAGE <= set(known)
    for name, default in offered.items():
        if name in known and name not in PAGE:
            assert default == known[name], name
    for name in parameters(open_dataset):
        assert name in offered or name in NOT_OFFERED, name
