"""What a re-ranker came to, read from its folder: when it is asked for again, and by itself."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import luneta
from crossing import Oracle
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError
from luneta.ledger import read_ledger
from luneta.report.reranking import write_trained
from luneta.rerank import ElipRecipe, ElipTrained, Fusion, RerankerFitted, fitting, run
from luneta.rerank.honesty import QUESTIONS, Answer
from paintings import Held as Picture
from paintings import gallery, painting
from reranking import SMALL, encoder_of
from tuning import pairs
from worlds import ConceptEncoder, world

MakeCheckpoint = Callable[[str], Path]
ENCODER = ConceptEncoder(noise=2.0)
OTHERS = world(110).without_images(range(60))
PROOF = pairs(14, start=34, name="test")
YES = [Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def fit(out: Path, oracle: Any = None, **changed: Any) -> RerankerFitted:
    given: dict[str, Any] = {"test": OTHERS, "near": False, **changed}
    return luneta.fit_reranker(ENCODER, oracle or Oracle(), world(60, captions_per_image=2), out=out, **given)


def train(checkpoint: Path, out: Path, **changed: Any) -> ElipTrained:
    recipe = ElipRecipe(**{**SMALL, "insert_layer": 1, **changed.pop("recipe", {})})
    given: dict[str, Any] = {"validation": pairs(14, start=20, name="val"), "test": PROOF, "near": False, **changed}
    return luneta.train_elip(encoder_of(checkpoint), pairs(20, per_image=2), out=out, recipe=recipe, **given)


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was learnt is used."""
    choose = run.choose
    monkeypatch.setattr(run, "choose", lambda *a, **o: dataclasses.replace(choose(*a, **o), fusion=Fusion(1.0, 7)))
    monkeypatch.setattr(run, "question", lambda *_, **__: YES)


def equal(again: Any, found: Any, out: Path) -> None:
    """All of it, and as it was written."""
    assert again.to_dict() == found.to_dict() == json.loads((out / type(found).result).read_text())
    assert str(again) == str(found)
    assert again.choice == found.choice
    for one, other in zip((found.test.before, found.test.after), (again.test.before, again.test.after), strict=True):
        assert one.to_dict() == other.to_dict()


def test_a_training_is_read_and_nothing_is_done(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is not believed: what would have been chosen is known all the same."""
    caplog.set_level(logging.INFO, "luneta")
    monkeypatch.setattr(run, "choose", _chosen(run.choose))
    checkpoint, out = tiny_checkpoint("clip"), tmp_path / "out"
    found = train(checkpoint, out)
    assert found.choice.fusion.changes
    assert not found.reranker.fusion.changes
    assert "done already" not in caplog.text
    monkeypatch.setattr(run, "apart", None)  # whatever is begun would fail
    again = train(checkpoint, out)
    assert f"done already: {out} holds this very training" in caplog.text
    equal(again, found, out)
    assert "has not shown that it does what it says" in " ".join(str(again).split())
    assert len(read_ledger()) == 1
    equal(ElipTrained.load(out, encoder_of(checkpoint)), found, out)


def _chosen(choose: Any) -> Any:
    """The best trial is taken, sure or not."""

    def choice(*arguments: Any, **options: Any) -> Any:
        made = choose(*arguments, **options)
        trial = made.trials[3]
        return dataclasses.replace(made, fusion=trial.fusion, value=trial.value)

    return choice


def test_a_fit_is_read_and_nothing_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "luneta")
    found = fit(tmp_path / "out")
    assert found.reranker.fusion.changes
    monkeypatch.setattr(fitting, "entered", None)
    oracle = Oracle()
    again = fit(tmp_path / "out", oracle)
    assert "done already" in caplog.text
    assert not oracle.looked
    equal(again, found, tmp_path / "out")
    assert again.reranker.fusion == found.reranker.fusion
    assert len(read_ledger()) == 1
    equal(RerankerFitted.load(tmp_path / "out", ENCODER, cross_encoder=Oracle()), found, tmp_path / "out")


def test_how_far_it_looks_is_read_again(tmp_path: Path) -> None:
    """What was tried, and what is used of it; a folder of before there was such a thing is read as it is."""
    out, encoder = tmp_path / "out", ConceptEncoder(noise=0.8)
    found = luneta.fit_reranker(encoder, Oracle(), world(200, captions_per_image=2), out=out, near=False)
    assert len(found.choice.early_exits) > 2
    assert found.choice.early_exits[0].change.low is None
    assert found.reranker.fusion.within == found.choice.fusion.within is not None
    again = RerankerFitted.load(out, encoder, cross_encoder=Oracle())
    assert again.choice == found.choice
    assert again.reranker.fusion == found.reranker.fusion
    assert str(again) == str(found)
    for record in (out / "fitted.json", out / "reranker" / "reranker.json"):
        said = json.loads(record.read_text())
        said.pop("early_exits", None)
        for fusion in (said["fusion"], said.get("chosen", said)["fusion"]):
            fusion.pop("within", None)
        record.write_text(json.dumps(said))
    old = RerankerFitted.load(out, encoder, cross_encoder=Oracle())
    assert old.choice.early_exits == []
    assert old.reranker.fusion == dataclasses.replace(found.reranker.fusion, within=None)


def test_without_a_test_part_there_is_no_proof_to_read(tmp_path: Path) -> None:
    found = fit(tmp_path / "out", test=None)
    again = fit(tmp_path / "out", test=None)
    assert again.test is None
    assert again.pictured(None) is again
    assert again.to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"recipe": {"seed": 3}}, "recipe seed: 0 there, 3 here"), ({"test": None}, "data"), ({"near": True}, "near")],
)
def test_another_training_is_refused_by_what_differs(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    train(tiny_checkpoint("clip"), tmp_path / "out")
    with pytest.raises(ConfigError, match=rf"holds a finished training of other.*\({told}.*; choose another folder"):
        train(tiny_checkpoint("clip"), tmp_path / "out", **changed)
    assert len(read_ledger()) == 1


def test_another_fit_is_refused_by_what_differs(tmp_path: Path) -> None:
    fit(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"holds a finished training of other.*\(k: 100 there, 20 here\)"):
        fit(tmp_path / "out", k=20)
    with pytest.raises(ConfigError, match=r"holds a finished training of other.*\(cross_encoder\)"):
        fit(tmp_path / "out", Oracle(fingerprint="p" * 40))


@pytest.mark.usefixtures("believed")
def test_its_page_has_its_pictures_again(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    """Of a proof from which a picture that cannot be read was left out, too."""
    held = [Picture(f"picture {i}", None if i == 36 else painting(i, 40)) for i in range(34, 48)]
    test = gallery(held, [[text] for text in PROOF.texts], name="test")
    found = train(tiny_checkpoint("clip"), tmp_path / "out", test=test, max_bad_share=0.1)
    write_trained(tmp_path / "first.html", found)
    again = train(tiny_checkpoint("clip"), tmp_path / "out", test=test, max_bad_share=0.1)
    write_trained(tmp_path / "bare.html", again)
    write_trained(tmp_path / "again.html", again.pictured(test, max_bad_share=0.1))
    first, bare, last = ((tmp_path / f"{name}.html").read_text() for name in ("first", "bare", "again"))
    assert last == first
    assert first.count("data:image") > bare.count("data:image") == 0
    for page in (first, bare):
        assert "Before and after, in numbers" in page
        assert "a right picture comes first for" in page
        assert "nothing is proved" not in page
    assert found.pictured(test) is found
    with pytest.raises(ConfigError, match=r"pairs is not what the re-ranker was measured on \(test\)"):
        again.pictured(pairs(5))


def test_a_folder_that_keeps_less_or_other_things_is_refused(tmp_path: Path) -> None:
    fit(tmp_path / "out")
    record = tmp_path / "out" / "fitted.json"
    whole = json.loads(record.read_text())
    for name in ("chosen", "test"):
        record.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(ArtifactError, match=rf"fitted.json lacks {name}: .* kept less. Choose another folder"):
            fit(tmp_path / "out")
    record.write_text(json.dumps({**whole, "chosen": {}}))
    with pytest.raises(ArtifactError, match=r"fitted.json is not whole: KeyError: 'fusion'"):
        fit(tmp_path / "out")
    record.write_text(json.dumps({**whole, "fusion": {**whole["fusion"], "k": 3}}))
    with pytest.raises(ArtifactError, match="reranker is another re-ranker than the one that"):
        fit(tmp_path / "out")
    record.write_text(json.dumps(whole))
    with pytest.raises(IndexMismatchError):
        RerankerFitted.load(tmp_path / "out", ConceptEncoder(noise=0.5), cross_encoder=Oracle())
    with pytest.raises(ArtifactError, match="no such file"):
        ElipTrained.load(tmp_path / "out", ENCODER)


def test_vectors_are_those_it_was_trained_with(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    found, again = (train(tiny_checkpoint("clip"), tmp_path / "out").reranker for _ in range(2))
    texts, images = list(PROOF.texts[:3]), list(PROOF.images)
    candidates, scores = np.tile(np.arange(6), (3, 1)), np.zeros((3, 6), dtype=np.float32)
    one, other = (dataclasses.replace(r, fusion=Fusion(1.0, 6)).rerank(texts, images, candidates, scores)
                  for r in (found, again))  # fmt: skip
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
