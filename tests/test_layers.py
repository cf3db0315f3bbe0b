"""The house has floors: a module imports only from its own floor or one above it (see docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "luneta"

FLOORS: dict[str, int] = {
    "__init__": 0, "errors": 0, "types": 0, "lazy": 0,
    "artifacts": 1, "progress": 1, "threads": 1, "grids": 1, "losses": 1, "metrics": 1, "ranking": 1, "stats": 1,
    "wording": 1, "hub_access": 1, "layouts": 1, "filters": 1,
    "data": 2, "encoders": 2, "index": 2,
    "embedding": 3, "decoding": 3, "store": 3, "shards": 3,
    "positives": 3, "evaluation": 3, "results": 3, "exhibits": 3, "terminal": 3,
    "comparison": 3, "error_messages": 3, "slicing": 3, "leaderboards": 3, "exports": 3, "languages": 3,
    "profiling": 3, "auditing": 3, "leakage": 3, "doctor": 3, "finetuning": 3, "cost": 3, "ledger": 3,
    "pushing": 3, "rerank": 3, "bundles": 3,
    "advice": 4, "report": 4, "demo": 4, "search": 4, "serving": 4,
    "cli": 5, "__main__": 5,
}  # fmt: skip
STRANGERS = [{"data", "encoders", "index"}]  # same floor, but these never import one another


def unit_of(path: Path) -> str:
    return path.relative_to(SRC).with_suffix("").parts[0]


def imported_units(path: Path) -> set[str]:
    """Units of the house that a file imports, lazy imports inside functions included."""
    units: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "luneta" and len(parts) > 1:
                units.add(parts[1] if parts[1] in FLOORS else "__init__")
    return units


def violations(path: Path) -> list[str]:
    here = unit_of(path)
    if here == "__init__":  # the lazy front door names everything
        return []
    found = []
    for unit in imported_units(path) - {here}:
        if FLOORS[unit] > FLOORS[here]:
            found.append(f"{here} (floor {FLOORS[here]}) imports {unit} (floor {FLOORS[unit]})")
        found += [f"{here} imports its neighbour {unit}" for group in STRANGERS if {here, unit} <= group]
    return found


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_up_the_house_only(path: Path) -> None:
    assert unit_of(path) in FLOORS, f"{path} has no floor: give it one here and in docs/architecture.md"
    assert violations(path) == []


def test_the_check_sees_a_lazy_import_downwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_layers.SRC", tmp_path)
    planted = tmp_path / "metrics.py"
    planted.write_text("def f():\n    from luneta.cli import main\n    return main\n")
    assert violations(planted) == ["metrics (floor 1) imports cli (floor 5)"]
