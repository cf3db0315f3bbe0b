"""Fixtures of the data tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of these tests goes to the user's cache."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "luneta-cache"))
