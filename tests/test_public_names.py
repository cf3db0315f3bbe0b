"""The public surface, pinned: a name comes or goes on purpose, with a line in the changelog."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import luneta


def test_the_public_names() -> None:
    assert set(luneta.__all__) == {
        "open_dataset", "load_encoder", "load_cross_encoder", "profile", "find_groups", "find_leakage", "examine",
        "embed", "evaluate", "load_evaluation", "advise", "audit", "compare", "leaderboard", "language_gap",
        "export_trec", "export_mteb", "finetune", "Recipe", "FineTuning",
        "train_elip", "fit_reranker", "ElipRecipe", "Reranker",
        "build_bundle", "IndexRecipe", "Bundle", "Searcher", "Query",
        "Evaluation", "ImageTextDataset", "Encoder", "EncoderSpec", "LunetaError", "__version__",
    }  # fmt: skip
    for name in luneta.__all__:
        assert getattr(luneta, name) is not None
    for verb in (name for name in luneta.__all__ if name.islower() and not name.startswith("_")):
        assert callable(getattr(luneta, verb))


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """`luneta.NAME` would be the module as soon as anything imported it."""
    package = Path(luneta.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} | {path.name for path in package.iterdir() if path.is_dir()}
    assert modules.isdisjoint(luneta.__all__)


LAZY = ("luneta", "luneta.bundles", "luneta.finetuning", "luneta.rerank", "luneta.serving")


@pytest.mark.parametrize("name", LAZY)
def test_type_checkers_see_the_public_names(name: str) -> None:
    """What is loaded when first used is imported under TYPE_CHECKING too."""
    package = importlib.import_module(name)
    (block,) = (node for node in ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8")).body
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")  # fmt: skip
    seen = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert seen == package._HOMES
    assert set(seen) == set(package.__all__) - {"__version__"}


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_package_gives_its_names_and_no_others(name: str) -> None:
    package = importlib.import_module(name)
    for public in package.__all__:
        home = importlib.import_module(package._HOMES.get(public, name))
        assert getattr(package, public) is getattr(home, public)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'evaluat'"):
        package.evaluat  # noqa: B018


def test_importing_luneta_loads_nothing_heavy() -> None:
    code = (
        "import sys, luneta; print({'torch', 'numpy', 'transformers', 'pyarrow', 'rich', 'typer'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(luneta, "evaluat")
    assert "evaluate" in dir(luneta)
