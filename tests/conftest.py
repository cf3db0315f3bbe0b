"""Fixtures shared by all tests."""

from __future__ import annotations

import os

# Tiny matrices: a second thread only waits for the first, above all beside pytest-xdist's other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import checkpoints
from browsing import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# No test asserts a time: beside other work an example may take long, and so may making one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of the tests are written down nowhere near the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_LEDGER", str(tmp_path_factory.mktemp("runs") / "ledger.jsonl"))
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny_checkpoint(family)` -> folder of a tiny random checkpoint with a real tokenizer; see tests/checkpoints.py.

    The folder is shared by the whole session: copy it before you change anything in it.
    """
    made: dict[str, Path] = {}

    def checkpoint(family: str) -> Path:
        if family not in made:
            made[family] = checkpoints.make_checkpoint(family, tmp_path_factory.mktemp("checkpoints") / family)
        return made[family]

    return checkpoint


@pytest.fixture(autouse=True)
def _no_energy_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are not metered by codecarbon, which takes seconds to start; the test of it takes this back."""
    monkeypatch.setitem(sys.modules, "codecarbon", None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; its tests are marked `browsing.needs_chromium`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
