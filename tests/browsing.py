"""A real browser for the pages."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def spilled(tab: Any) -> Any:
    """The beginnings of what stands beyond the sides of a report's page, where it does not scroll by itself."""
    return tab.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(e => {
            if (e.closest('.scroll, pre, svg, .visually-hidden, .strip, .scale')) return false;
            const box = e.getBoundingClientRect();
            return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
        }).map(e => e.outerHTML.slice(0, 120))"""
    )
