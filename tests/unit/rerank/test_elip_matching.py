"""ELIP over a cross-encoder (ELIP-B): its loss, its start, its training, its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import luneta
from crossing import Oracle
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ConfigError, IndexMismatchError, TrainingError
from luneta.metrics import METRICS
from luneta.rerank import Fusion, Reranker, predict_elip, run
from luneta.rerank.crossing import Crossed
from luneta.rerank.elip import Elip
from luneta.rerank.fusion import line
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.rerank.recipe import VARIANTS, ElipRecipe
from luneta.rerank.training import ElipTraining
from matching import naive
from paintings import Held
from reranking import SMALL, embedded, encoder_of, found_in, plan_of
from tuning import pairs

MakeCheckpoint = Callable[[str], Path]
YES = tuple(Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def matcher_of(tiny_checkpoint: MakeCheckpoint, **options: Any) -> Any:
    return load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu", **options)


def training(
    tiny_checkpoint: MakeCheckpoint, folder: Path, options: dict[str, Any] | None = None, **recipe: Any
) -> ElipTraining:
    """Candidates are those of a CLIP; a BLIP-2 looks at them."""
    how = ElipRecipe(**{**SMALL, **recipe})
    elip = Elip.untrained(matcher_of(tiny_checkpoint, **(options or {})), how)
    embeddings = embedded(tiny_checkpoint("clip"), 24)
    found = found_in(embeddings)
    pictures = elip.pictures(embeddings.dataset.images)
    pictures.keep_in(folder)
    texts = elip.read(found.queries)
    return ElipTraining(elip, plan_of(embeddings, how), texts, pictures, found, pictures, folder)


def opened(elip: Elip, gate: float = 0.8) -> Elip:
    with torch.no_grad():
        elip.guide.gate.fill_(gate)
    return elip


@pytest.mark.parametrize("layer", [0, 2])
def test_before_training_scores_are_those_of_the_cross_encoder(tiny_checkpoint: MakeCheckpoint, layer: int) -> None:
    matcher = matcher_of(tiny_checkpoint, weight=0.5)
    elip, plain = Elip.untrained(matcher, ElipRecipe(**SMALL, insert_layer=layer)), Crossed(matcher)
    found = found_in(embedded(tiny_checkpoint("clip"), 24))
    images = found.dataset.images
    own = plain.rescore(found.queries, plain.pictures(images), found.candidates)
    new = elip.rescore(found.queries, elip.pictures(images), found.candidates)
    np.testing.assert_allclose(new, own, atol=1e-5, rtol=0)  # other batches: the last bits may differ
    np.testing.assert_allclose(elip.unguided(found), own, atol=1e-5, rtol=0)
    assert (elip.kind, elip.own_scale) == ("elip", True)
    assert np.abs(elip.unguided(found) - found.scores).max() > 0.1, "they are the encoder's own"


def test_a_picture_is_seen_in_one_texts_light_and_matched_with_anothers(tiny_checkpoint: MakeCheckpoint) -> None:
    """Pair by pair by the library's blocks: prompts of the other text, matching with one's own; one picture is gone."""
    matcher = matcher_of(tiny_checkpoint, weight=2.0)
    elip = Elip.untrained(matcher, ElipRecipe(**SMALL, gated=False))
    found = found_in(embedded(tiny_checkpoint("clip"), 24)).cut(4)
    other = found.queries.of(np.roll(np.arange(24), 1))
    images, gone = list(found.dataset.images), int(found.candidates[0, 1])
    images[gone] = Held("gone", None)
    scores = elip.rescore(found.queries, elip.pictures(images), found.candidates, guides=other)
    assert (np.isnan(scores) == (found.candidates == gone)).all()
    for row, column in ((0, 0), (0, 2), (7, 3), (23, 1)):
        if found.candidates[row, column] == gone:
            continue
        prepared = [matcher.prepare_image(images[found.candidates[row, column]].open())]
        pixels, own = matcher._images.collate(prepared)["pixel_values"], matcher.look(prepared)
        with torch.no_grad():
            prompts = elip.guide(torch.from_numpy(matcher.encode_texts([other.texts[row]])))
        _, logits = naive(tiny_checkpoint("blip2"), pixels, [found.queries.texts[row]], prompts, 0)
        vector = torch.from_numpy(matcher.encode_texts([found.queries.texts[row]]))[0]
        expected = float((own[0][1] @ vector).max() + 2 * logits.softmax(dim=1)[0, 1])
        assert scores[row, column] == pytest.approx(expected, abs=2e-5)


def test_the_loss_is_the_cross_entropy_of_matching(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    """Of a right picture and one that is taken for it, each seen in the text's light: two logits, two classes."""
    how = {"loss": "sigmoid", "hard": 1, "random": 0, "gated": False}
    made = training(tiny_checkpoint, tmp_path, **how)
    lists, matcher = made.plan.lists(0), made.elip.encoder
    assert lists.images.shape[1] == 2
    assert not lists.ignored.any()
    total = 0.0
    for text, images in zip(lists.texts, lists.images, strict=True):
        own = made.plan.dataset.texts[text]
        prepared = [matcher.prepare_image(made.plan.dataset.images[i].open()) for i in images]
        with torch.no_grad():
            prompts = made.elip.guide(torch.from_numpy(matcher.encode_texts([own]))).expand(2, -1, -1)
        pixels = matcher._images.collate(prepared)["pixel_values"]  # type: ignore[union-attr]
        _, logits = naive(tiny_checkpoint("blip2"), pixels, [own] * 2, prompts, 0)
        total += float(F.cross_entropy(logits, torch.tensor([1, 0]), reduction="sum"))
    with torch.no_grad():
        assert float(made.loss(lists)) == pytest.approx(total / len(lists.texts), rel=1e-4)


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_first_step_opens_the_gate_and_the_second_moves_the_mapper(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, layer: int, checkpointing: bool
) -> None:
    made = training(tiny_checkpoint, tmp_path, insert_layer=layer, warmup=0.0, checkpointing=checkpointing)
    before, optimizer = made.elip.guide.mapper[0].weight.detach().clone(), made.optimizer()  # type: ignore[union-attr,operator]
    made.step(0, optimizer)
    assert torch.equal(before, made.elip.guide.mapper[0].weight)  # type: ignore[arg-type]
    assert (made.elip.guide.gate.abs() > 0.05).all()
    made.step(1, optimizer)
    assert not torch.equal(before, made.elip.guide.mapper[0].weight)  # type: ignore[arg-type]


def test_it_learns(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = training(tiny_checkpoint, tmp_path, steps=60, queries=12, hard=3, validations=2, learning_rate=1e-2)
    start = made.measured()
    made.run()
    assert made.measured()["alone"] > start["alone"] + 0.05
    assert [record["step"] for record in made.history] == [30, 60]


def test_a_start_that_is_not_the_cross_encoders_is_said(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(tiny_checkpoint, tmp_path)
    whole = made.elip.encoder.combined  # type: ignore[union-attr]
    monkeypatch.setattr(made.elip.tower._matcher, "combined", lambda *a: whole(*a) + 0.05)  # type: ignore[attr-defined]
    made.run()  # both by the same formula
    monkeypatch.setattr(made.elip.tower, "scored", lambda *a: torch.zeros(len(a[3])))
    (tmp_path / "standing.safetensors").unlink()
    with pytest.raises(TrainingError, match="before the first step a score differs"):
        made.run()


@pytest.mark.parametrize("options", [{"weight": 0.001}, {"weight": 50.0, "counts": "logit"}, {}], ids=str)
def test_how_far_a_start_may_be_off_goes_by_the_spread_of_the_scores(
    options: dict[str, Any], tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(tiny_checkpoint, tmp_path, options=options)
    before = made.elip.unguided(made.validation)
    scored, usual = made.elip.tower.scored, float(before.std(axis=1).mean())  # type: ignore[attr-defined]
    for off, wrong in ((0.002, False), (0.1, True)):
        monkeypatch.setattr(made.elip.tower, "scored", lambda *a, off=off: scored(*a) + off * usual)
        if wrong:
            with pytest.raises(TrainingError, match="before the first step a score differs"):
                made._check_start()
        else:
            made._check_start()


def test_on_the_way_alpha_weighs_what_fusion_weighs(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = training(tiny_checkpoint, tmp_path)
    found = made.validation
    new = made.elip.rescore(found.queries, made.watched, found.candidates)
    slope, shift = line(found.scores, new)
    assert slope != 1
    measured = made.measured()
    expected = METRICS["mrr"](Fusion(measured["alpha"], found.k, slope, shift).ranking(found, new)).mean()
    assert measured["value"] == pytest.approx(float(expected))


def test_what_the_paper_trains_is_a_variant() -> None:
    recipe = VARIANTS["elip-b"]
    assert (recipe.loss, recipe.batches, recipe.listed, recipe.suspicious) == ("sigmoid", "lists", 2, 3)
    assert (recipe.n_prompts, recipe.hidden, recipe.drawn_by, recipe.gated) == (1, (1024, 1024), "similarity", False)


def test_hard_pictures_are_drawn_by_the_encoders_scaled_cosines(tiny_checkpoint: MakeCheckpoint) -> None:
    embeddings = embedded(tiny_checkpoint("clip"), 24)
    hard = np.array([[3, 5, -1], [7, 0, 2]])
    scaled = run._scaled(embeddings, hard)
    scale = embeddings.encoder.logit_scale
    assert scale is not None
    assert scale > 1
    assert scaled[1, 2] == pytest.approx(scale * float(embeddings.images[2] @ embeddings.texts[1]), rel=1e-5)
    assert scaled[0, 1] == pytest.approx(scale * float(embeddings.images[5] @ embeddings.texts[0]), rel=1e-5)
    nameless = dataclasses.replace(embeddings, encoder=dataclasses.replace(embeddings.encoder, logit_scale=None))
    with pytest.raises(ConfigError, match="nothing can be drawn by similarity"):
        run._scaled(nameless, hard)


def test_trained_saved_and_read_again(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = run.choose

    def forced(*arguments: Any, **options: Any) -> Any:
        choice = choose(*arguments, **options)
        return dataclasses.replace(choice, fusion=dataclasses.replace(choice.trials[-1].fusion, alpha=1.0, k=7))

    monkeypatch.setattr(run, "choose", forced)
    monkeypatch.setattr(run, "question", lambda *_, **__: YES)
    encoder, matcher = encoder_of(tiny_checkpoint("clip")), matcher_of(tiny_checkpoint)
    recipe = ElipRecipe(**{**SMALL, "insert_layer": -1, "hard": 1, "random": 0, "drawn_by": "similarity"})
    told: dict[str, Any] = {"recipe": recipe, "matcher": matcher, "validation": pairs(14, start=20), "near": False}
    assert predict_elip(encoder, pairs(20, per_image=2), **told).seconds > 0
    found = luneta.train_elip(encoder, pairs(20, per_image=2), out=tmp_path / "out", **told)
    assert found.reranker.fusion.slope != 1
    task = found_in(embedded(tiny_checkpoint("clip"), 24))
    asked = (task.queries.texts, task.dataset.images, task.candidates, task.scores)
    moved = found.reranker.rerank(*asked)
    assert (moved[0] != task.candidates).any()
    folder = tmp_path / "out" / "reranker"
    for again in (Reranker.load(folder, encoder), Reranker.load(folder, encoder, cross_encoder=matcher)):
        for first, second in zip(moved, again.rerank(*asked), strict=True):
            np.testing.assert_array_equal(first, second)
    with pytest.raises(IndexMismatchError, match=r"was made for .*blip2"):
        Reranker.load(folder, encoder, cross_encoder=matcher_of(tiny_checkpoint, weight=0.05))
    with pytest.raises(IndexMismatchError, match=r"was made for .*clip"):
        Reranker.load(folder, encoder_of(tiny_checkpoint("siglip")))


def test_a_training_with_a_cross_encoder_does_not_go_on_without_it(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    told: dict[str, Any] = {"recipe": ElipRecipe(**SMALL), "validation": pairs(14, start=20), "near": False}
    told |= {"out": tmp_path / "out"}
    with monkeypatch.context() as patch:
        patch.setattr(run, "choose", stopped)
        with pytest.raises(KeyboardInterrupt):
            luneta.train_elip(
                encoder_of(tiny_checkpoint("clip")), pairs(20), matcher=matcher_of(tiny_checkpoint), **told
            )
    with pytest.raises(ConfigError, match=r"another recipe \(matcher"):
        luneta.train_elip(encoder_of(tiny_checkpoint("clip")), pairs(20), **told)


def test_a_cross_encoder_that_takes_no_prompts_is_refused(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    encoder: Any = encoder_of(tiny_checkpoint("clip"))
    with pytest.raises(ConfigError, match="oracle takes no visual prompts"):
        luneta.train_elip(encoder, pairs(20), out=tmp_path / "out", matcher=Oracle())  # type: ignore[arg-type]
    elip = Elip.untrained(encoder, ElipRecipe(**SMALL))
    Reranker(encoder, elip, Fusion(0.0, 6)).save(tmp_path / "saved")
    with pytest.raises(ConfigError, match="scores with its encoder alone, and oracle was given"):
        Reranker.load(tmp_path / "saved", encoder, cross_encoder=Oracle())
