"""The public surface, pinned: a name comes or goes on purpose, with a line in the changelog."""

from __future__ import annotations

import subprocess
import sys

import luneta


def test_the_public_names() -> None:
    assert set(luneta.__all__) == {
        "open_dataset", "load_encoder", "profile", "find_groups", "find_leakage", "examine", "embed", "evaluate",
        "load_evaluation", "advise", "audit", "compare", "finetune", "Recipe", "FineTuning",
        "train_elip", "ElipRecipe", "Reranker",
        "Evaluation", "ImageTextDataset", "Encoder", "EncoderSpec", "LunetaError", "__version__",
    }  # fmt: skip
    for name in luneta.__all__:
        assert getattr(luneta, name) is not None
    for verb in (name for name in luneta.__all__ if name.islower() and not name.startswith("_")):
        assert callable(getattr(luneta, verb))


def test_importing_luneta_loads_nothing_heavy() -> None:
    code = (
        "import sys, luneta; print({'torch', 'numpy', 'transformers', 'pyarrow', 'rich', 'typer'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(luneta, "evaluat")
    assert "evaluate" in dir(luneta)
