"""A re-ranker and its folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luneta.encoders.registry import load_encoder
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, ShapeError
from luneta.rerank import Fusion, Reranker
from luneta.rerank.elip import Elip
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.reranker import believed
from paintings import Held
from reranking import SMALL, embedded, encoder_of, found_in

MakeCheckpoint = Callable[[str], Path]

YES = tuple(Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS)


def reranker(checkpoint: Path, alpha: float = 0.5, answers: Any = YES, **recipe: Any) -> Reranker:
    elip = Elip.untrained(encoder_of(checkpoint), ElipRecipe(**{**SMALL, **recipe}))
    if isinstance(elip.guide.gate, torch.nn.Parameter):
        with torch.no_grad():
            elip.guide.gate.fill_(0.7)
    return Reranker(elip.encoder, elip, Fusion(alpha, 6), answers, {"recipe": "a few steps"})


def orders(made: Reranker, checkpoint: Path) -> tuple[np.ndarray, np.ndarray]:
    found = found_in(embedded(checkpoint, 24))
    return made.rerank(found.queries.texts, found.dataset.images, found.candidates, found.scores)


def test_the_first_change_places_and_the_others_stay(tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made = found_in(embedded(checkpoint, 24)), reranker(checkpoint)
    items, scores = orders(made, checkpoint)
    assert (items[:, :6] != found.candidates[:, :6]).any()
    assert (np.sort(items[:, :6]) == np.sort(found.candidates[:, :6])).all()
    np.testing.assert_array_equal(items[:, 6:], found.candidates[:, 6:])
    np.testing.assert_array_equal(scores[:, 6:], found.scores[:, 6:])
    assert (np.diff(scores[:, :6], axis=1) <= 0).all()
    new = made.rescorer.rescore(found.queries, made.rescorer.pictures(found.dataset.images), found.candidates[:, :6])
    for row in range(24):
        expected = {
            i: 0.5 * (b + n) for i, b, n in zip(found.candidates[row], found.scores[row], new[row], strict=False)
        }
        np.testing.assert_allclose(scores[row, :6], [expected[i] for i in items[row, :6]], atol=1e-5)


def test_alpha_0_changes_nothing_and_looks_at_nothing(tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made = found_in(embedded(checkpoint, 24)), reranker(checkpoint, alpha=0.0)
    blind = dataclasses.replace(made, rescorer=None)  # type: ignore[arg-type]
    items, scores = blind.rerank(found.queries.texts, found.dataset.images, found.candidates, found.scores)
    np.testing.assert_array_equal(items, found.candidates)
    np.testing.assert_array_equal(scores, found.scores)
    assert repr(made).endswith("changes nothing)")


def test_pictures_that_are_gone_and_candidates_that_are_few(tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made = found_in(embedded(checkpoint, 24)), reranker(checkpoint)
    items, scores = made.rerank(found.queries.texts, [Held("gone", None)] * 24, found.candidates, found.scores)
    np.testing.assert_array_equal(items, found.candidates)  # all keep the encoder's scores, and so their places
    np.testing.assert_allclose(scores, found.scores)
    few, _ = made.rerank(found.queries.texts, found.dataset.images, found.candidates[:, :3], found.scores[:, :3])
    assert (np.sort(few) == np.sort(found.candidates[:, :3])).all()
    none, _ = made.rerank(found.queries.texts, found.dataset.images, found.candidates[:, :0], found.scores[:, :0])
    assert none.shape == (24, 0)


@dataclasses.dataclass(frozen=True)
class Counted:
    """A picture that says when it is read."""

    held: Any
    opened: list[str]

    @property
    def label(self) -> str:
        return str(self.held.label)

    def key(self) -> str:
        return str(self.held.key())

    def open(self) -> Any:
        self.opened.append(self.label)
        return self.held.open()


class Slow(Counted):
    """One that is not read at once, so that another thread asks for it meanwhile."""

    def open(self) -> Any:
        time.sleep(0.02)
        return super().open()


@pytest.mark.parametrize("layer", [0, 1])
def test_a_picture_is_read_once_however_often_it_is_searched_for(layer: int, tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made, opened = found_in(embedded(checkpoint, 24)), reranker(checkpoint, insert_layer=layer), []
    images = [Counted(ref, opened) for ref in found.dataset.images]

    def search(rows: slice, images: Any) -> np.ndarray:
        texts, candidates = found.queries.texts[rows], found.candidates[rows]
        return made.rerank(texts, images, candidates, found.scores[rows])[0]

    one_by_one = np.concatenate([search(slice(row, row + 1), images) for row in range(24)])
    assert sorted(opened) == sorted({images[i].label for i in np.unique(found.candidates[:, :6])})
    opened.clear()
    np.testing.assert_array_equal(search(slice(24), images), one_by_one)
    assert not opened
    others = [*images[1:], images[0]]  # another sequence: its first picture is another one
    moved = made.rerank(found.queries.texts, others, (found.candidates - 1) % 24, found.scores)[0]
    np.testing.assert_array_equal((moved + 1) % 24, one_by_one)
    assert opened


def test_a_picture_is_read_once_for_searches_in_several_threads(tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made, opened = found_in(embedded(checkpoint, 24)), reranker(checkpoint, insert_layer=1), []
    images = [Slow(ref, opened) for ref in found.dataset.images]
    expected = made.rerank(found.queries.texts[:1], images, found.candidates[:1], found.scores[:1])[0]
    pictures = made._pictures(images)
    pictures._forget()
    opened.clear()

    def search(_: int) -> Any:
        return made.rerank(found.queries.texts[:1], images, found.candidates[:1], found.scores[:1])[0]

    with ThreadPoolExecutor(4) as threads:
        for items in threads.map(search, range(4)):
            np.testing.assert_array_equal(items, expected)
    assert len(opened) == 6
    assert made._pictures(images) is pictures


def test_candidates_that_do_not_fit(tiny_checkpoint: MakeCheckpoint) -> None:
    checkpoint = tiny_checkpoint("clip")
    found, made = found_in(embedded(checkpoint, 24)), reranker(checkpoint)
    with pytest.raises(ShapeError, match=r"expected \(n_texts, k\) twice"):
        made.rerank(found.queries.texts[:3], found.dataset.images, found.candidates, found.scores)
    with pytest.raises(ShapeError, match="of 5"):
        made.rerank(found.queries.texts, found.dataset.images[:5], found.candidates, found.scores)


# -- its folder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "recipe"),
    [
        ("clip", {"insert_layer": 1}),
        ("siglip", {"keep_prompts": True, "gated": False}),
        ("siglip2-naflex", {"gated": False}),
    ],
)
def test_saved_and_read_again(
    family: str, recipe: dict[str, Any], tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint(family)
    made = reranker(checkpoint, **recipe)
    made.save(tmp_path / "saved")
    again = Reranker.load(tmp_path / "saved", encoder_of(checkpoint))
    assert (again.fusion, list(again.answers), again.record) == (made.fusion, list(made.answers), made.record)
    for first, second in zip(orders(made, checkpoint), orders(again, checkpoint), strict=True):
        np.testing.assert_array_equal(first, second)
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["guide.safetensors", "reranker.json"]


def test_how_far_it_looks_is_kept_and_one_of_older_folders_looks_at_all(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    made = reranker(tiny_checkpoint("clip"))
    narrow = dataclasses.replace(made, fusion=dataclasses.replace(made.fusion, within=0.125))
    narrow.save(tmp_path)
    assert Reranker.load(tmp_path, made.encoder).fusion == Fusion(0.5, 6, within=0.125)
    assert repr(narrow).endswith("alpha=0.5, k=6, within=0.125)")
    said = json.loads((tmp_path / "reranker.json").read_text())
    assert said["fusion"].pop("within") == 0.125
    (tmp_path / "reranker.json").write_text(json.dumps(said))
    assert Reranker.load(tmp_path, made.encoder).fusion == made.fusion
    said["fusion"]["within"] = -1
    (tmp_path / "reranker.json").write_text(json.dumps(said))
    with pytest.raises(ArtifactError, match="no whole re-ranker: ConfigError: within is -1"):
        Reranker.load(tmp_path, made.encoder)


def test_it_is_refused_for_another_encoder(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reranker(tiny_checkpoint("clip")).save(tmp_path)
    with pytest.raises(IndexMismatchError, match=r"was made for .*clip .*not for .*siglip"):
        Reranker.load(tmp_path, encoder_of(tiny_checkpoint("siglip")))
    other: Any = encoder_of(tiny_checkpoint("clip"))
    retrained = dataclasses.replace(
        other.spec, fingerprint="f" * 64, details={**other.spec.details, "weights": ["another"]}
    )
    with pytest.raises(IndexMismatchError):
        Reranker.load(tmp_path, _Wearing(other, retrained))
    assert not caplog.records
    Reranker.load(tmp_path, load_encoder(tiny_checkpoint("clip"), dtype="bfloat16", device="cpu"))
    assert "in float32, not in bfloat16" in caplog.text  # the same weights: said, not refused


class _Wearing:
    """An encoder that says it is another one."""

    def __init__(self, encoder: Any, spec: Any) -> None:
        self._encoder, self.spec = encoder, spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


@pytest.mark.parametrize("answers", [(), YES[:2], (*YES[:2], Answer("needs_its_query", 0.01, -0.02, 0.04))])
def test_one_that_has_not_shown_what_it_does_is_not_saved(
    answers: Any, tiny_checkpoint: MakeCheckpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = reranker(tiny_checkpoint("clip"), answers=answers)
    with pytest.raises(ConfigError, match="without having shown that it should"):
        made.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    caplog.set_level(logging.WARNING, "luneta")
    shipped = believed(made)
    assert shipped.fusion == Fusion(0.0, 6)
    assert "has not shown that it does what it says" in caplog.text
    shipped.save(tmp_path / "saved")
    assert not Reranker.load(tmp_path / "saved", made.encoder).fusion.changes


def test_one_that_gains_nothing_says_so(tiny_checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    made = reranker(tiny_checkpoint("clip"), alpha=0.0)
    assert believed(made) is made
    assert "nothing is gained for sure" in caplog.text
    honest = reranker(tiny_checkpoint("clip"))
    assert believed(honest) is honest


@pytest.mark.parametrize("damage", ["schema", "no record", "no guide", "cut guide", "other shape", "answers"])
def test_damaged_folders(damage: str, tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = reranker(tiny_checkpoint("clip"))
    made.save(tmp_path / "saved")
    record, guide = tmp_path / "saved" / "reranker.json", tmp_path / "saved" / "guide.safetensors"
    said = json.loads(record.read_text())
    if damage == "schema":
        record.write_text(json.dumps(said | {"schema": "luneta.reranker/9"}))
    elif damage == "no record":
        record.unlink()
    elif damage == "no guide":
        guide.unlink()
    elif damage == "cut guide":
        guide.write_bytes(guide.read_bytes()[:-100])
    elif damage == "other shape":
        said["guide"]["shape"]["n_prompts"] = 4
        record.write_text(json.dumps(said))
    else:
        said["answers"] = [{"question": "?"}]
        record.write_text(json.dumps(said))
    with pytest.raises(ArtifactError):
        Reranker.load(tmp_path / "saved", made.encoder)
