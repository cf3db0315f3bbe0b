"""The mapper and its gate."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from luneta.errors import ConfigError
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.recipe import VARIANTS, ElipRecipe, recipe_of

SHAPE = GuideShape(text_dim=24, width=32, n_prompts=3, hidden=(40, 50), n_guided=2, n_heads=4)


def texts(n: int = 64) -> torch.Tensor:
    vectors = torch.randn(n, SHAPE.text_dim, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(vectors, dim=1)


@torch.no_grad()
def test_prompts_of_a_text() -> None:
    guide = Guide(SHAPE).eval()
    prompts = guide(texts())
    assert prompts.shape == (64, 3, 32)
    assert 0.3 < float(prompts.std()) < 3  # about as large as normalised tokens, whatever the widths
    for hidden in ((), (8,), (600, 600, 600)):
        wide = Guide(GuideShape(24, 32, 3, hidden, 2, 4)).eval()
        assert 0.3 < float(wide(texts()).std()) < 3
    other = (prompts[0] - prompts[1]).norm() / prompts[0].norm()
    assert float(other) > 0.5  # other texts, other prompts


def test_a_gate_begins_shut_unless_there_is_none() -> None:
    guide, open_guide = Guide(SHAPE), Guide(GuideShape(24, 32, 3, (40,), 2, 4, gated=False))
    assert guide.gate.shape == (2, 4)
    assert not guide.gate.any()
    assert guide.gate.requires_grad
    assert (open_guide.gate == 1).all()
    assert not open_guide.gate.requires_grad
    assert "gate" in open_guide.state_dict()


def test_dropout_is_for_training() -> None:
    guide = Guide(GuideShape(24, 32, 3, (40,), 2, 4, dropout=0.5))
    assert (guide(texts()) == 0).float().mean() > 0.4
    assert torch.equal(guide.eval()(texts()), guide(texts()))


def test_a_shape_can_be_written_down() -> None:
    assert GuideShape.of(SHAPE.to_dict()) == SHAPE
    with pytest.raises(ConfigError, match="not the shape of a guide"):
        GuideShape.of({"hidden": [3]})


@pytest.mark.parametrize(
    ("field", "value"),
    [("text_dim", 0), ("width", -1), ("n_prompts", 0), ("hidden", (4, 0)), ("n_guided", 0), ("n_heads", 0),
     ("dropout", 1.0)],
)  # fmt: skip
def test_a_shape_that_makes_no_sense_says_in_what(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^{field} of a guide is .*expected"):
        GuideShape(**{**dataclasses.asdict(SHAPE), field: value})


def test_the_papers_settings() -> None:
    """As elip.md of the reference tells them; 188.8 and 234.7 million parameters."""
    sizes = {"elip-c": (512, 768, 188.8), "elip-s": (1152, 1152, 234.7)}
    for name, (text_dim, width, millions) in sizes.items():
        recipe = recipe_of(name)
        with torch.device("meta"):
            guide = Guide(GuideShape(text_dim, width, recipe.n_prompts, recipe.hidden, 1, 1, gated=recipe.gated))
        assert guide.n_parameters / 1e6 == pytest.approx(millions, abs=0.1)
        assert recipe.insert_layer == 0
    assert (recipe_of("elip-c").loss, recipe_of("elip-c").keep_prompts) == ("softmax", False)
    assert recipe_of("elip-s").keep_prompts
    assert recipe_of("elip-s2") == recipe_of("elip-s")
    assert (recipe_of("elip-b").n_prompts, recipe_of("elip-b").suspicious) == (1, 3)
    with torch.device("meta"):
        small = Guide(GuideShape(512, 768, VARIANTS["elip"].n_prompts, VARIANTS["elip"].hidden, 12, 12))
    assert 2e6 < small.n_parameters < 8e6
    with pytest.raises(ConfigError, match="Did you mean elip-s or elip-c"):
        recipe_of("elip-d")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"loss": "softmx"}, "Did you mean softmax"),
        ({"steps": 0}, "steps is 0, expected 1"),
        ({"steps": 1.5}, "expected a whole number"),
        ({"queries": True}, "expected a whole number"),
        ({"learning_rate": "fast"}, "expected a number"),
        ({"dropout": 0.95}, "expected 0 to 0.9"),
        ({"hidden": (0,)}, r"^hidden is \[0\], expected widths of at least 1"),
        ({"hidden": ()}, r"^hidden is \(\), expected the widths of one layer or more"),
        ({"hidden": 512}, "^hidden is 512, expected the widths"),
        ({"n_prompts": 0}, "^n_prompts is 0, expected 1"),
        ({"insert_layer": "first"}, "^insert_layer is 'first', expected a whole number"),
        ({"hard": 0, "random": 0}, "teaches nothing"),
    ],
)
def test_choices_that_make_no_sense(choice: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ElipRecipe(**choice)  # type: ignore[arg-type]


def test_a_recipe_as_plain_data() -> None:
    record = ElipRecipe(hidden=(3, 4)).to_dict()
    assert record["hidden"] == [3, 4]
    assert ElipRecipe(**record) == ElipRecipe(hidden=(3, 4))
    assert (ElipRecipe().listed, ElipRecipe(steps=7, validations=3).steps_between()) == (8, 2)
