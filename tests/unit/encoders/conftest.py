"""Exported text towers, shared by the tests of exporting them and of running them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from luneta import load_encoder


@dataclass(frozen=True)
class Exported:
    """An encoder in float32, the folder of its tower, and what the export said of it."""

    encoder: Any
    folder: Path
    record: Any


@pytest.fixture(scope="session")
def exported(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Exported]:
    """`exported(family)`; an export takes seconds, so each is made once: copy the folder before you change it."""
    from luneta.encoders.exporting import export_text_tower

    made: dict[str, Exported] = {}

    def export(family: str) -> Exported:
        if family not in made:
            encoder = load_encoder(tiny_checkpoint(family), dtype="float32", device="cpu")
            folder = tmp_path_factory.mktemp("towers") / family
            made[family] = Exported(encoder, folder, export_text_tower(encoder, folder, check=["a red boat"]))
        return made[family]

    return export
