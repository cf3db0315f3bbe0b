"""One small bundle for all tests that do not change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

import serving


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "pixels.luneta"
    serving.make_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def api(bundle: Path) -> Iterator[Any]:
    """A client of an app with the usual settings."""
    with serving.client(bundle) as opened:
        yield opened
