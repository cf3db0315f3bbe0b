"""train_elip: parts, training, choice, questions, proof, files; and the same command again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import luneta
from luneta.cost import Prices
from luneta.errors import ConfigError, DatasetError
from luneta.ledger import read_ledger
from luneta.rerank import ElipTrained, Fusion, Reranker, evaluate_reranked, predict_elip, run
from luneta.rerank import plan as plans
from luneta.rerank.application import answer
from luneta.rerank.elip import Elip
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.rerank.lists import Lists
from luneta.rerank.plan import Plan
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.training import ElipTraining
from luneta.results import load_evaluation
from paintings import Held, gallery, painting
from reranking import SMALL, encoder_of
from tuning import pairs
from worlds import ConceptEncoder

MakeCheckpoint = Callable[[str], Path]
YES = [Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def quick(checkpoint: Path, out: Path, **arguments: Any) -> ElipTrained:
    recipe = ElipRecipe(**{**SMALL, "insert_layer": 1, **arguments.pop("recipe", {})})
    given: dict[str, Any] = {"validation": pairs(14, start=20, name="val"), "near": False, **arguments}
    return luneta.train_elip(encoder_of(checkpoint), pairs(20, per_image=2), out=out, recipe=recipe, **given)


def test_a_training_that_gains_nothing_ships_alpha_0(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Six steps on twenty pictures: other pictures gain nothing."""
    caplog.set_level(logging.INFO, "luneta")
    checkpoint, out = tiny_checkpoint("clip"), tmp_path / "out"
    found = quick(checkpoint, out, test=pairs(14, start=34, name="test"))
    assert not found.reranker.fusion.changes
    assert "it changes nothing" in " ".join(str(found).split())
    assert "nothing is gained for sure" in caplog.text
    assert found.test is not None
    before, after = (r.rankings["text_to_image"] for r in (found.test.before, found.test.after))
    np.testing.assert_array_equal(before.n_better, after.n_better)
    assert sorted(path.name for path in out.iterdir()) == [
        "after.json", "after.queries.parquet", "before.json", "before.queries.parquet", "elip.json", "reranker",
        "training.json",
    ]  # fmt: skip
    said = json.loads((out / "elip.json").read_text())
    assert (said["schema"], said["fusion"]["alpha"], said["n_train"], said["n_val"]) == ("luneta.elip/1", 0.0, 20, 14)
    assert [record["step"] for record in said["history"]] == [3, 6]
    assert [answer["question"] for answer in said["answers"]] == list(QUESTIONS)
    assert said["cost"]["wall_s"] > 0
    chosen_on = json.loads((out / "reranker" / "reranker.json").read_text())["record"]["validation"]
    assert chosen_on == {"name": "val", **dict.fromkeys(("fingerprint", "given"), pairs(14, start=20).fingerprint)}
    entry = read_ledger(tmp_path / "ledger.jsonl")[-1]
    assert (entry.kind, entry.status, entry.facts["alpha"]) == ("rerank", "finished", 0.0)


def test_one_that_helps_is_measured_before_and_after(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Believed by force, so that something changes; what comes out is what its folder gives."""
    monkeypatch.setattr(run, "choose", _forced(run.choose))
    monkeypatch.setattr(run, "question", lambda *_, **__: YES)
    checkpoint, test = tiny_checkpoint("clip"), pairs(14, start=34, name="test")
    found = quick(checkpoint, tmp_path / "out", test=test)
    assert found.reranker.fusion == Fusion(1.0, 7)
    assert found.test is not None
    ranks = [r.rankings["text_to_image"].n_better for r in (found.test.before, found.test.after)]
    assert (ranks[0] != ranks[1]).any()
    again = evaluate_reranked(Reranker.load(tmp_path / "out" / "reranker", encoder_of(checkpoint)), test)
    for one, other in ((found.test.before, again.before), (found.test.after, again.after)):
        assert one.protocol["hash"] == other.protocol["hash"]
        np.testing.assert_array_equal(one.rankings["text_to_image"].n_better, other.rankings["text_to_image"].n_better)
    after = load_evaluation(tmp_path / "out" / "after.json")
    assert after.encoder["reranker"] == {"kind": "elip", "fusion": asdict(Fusion(1.0, 7))}
    assert after.encoder["name"].endswith(", re-ranked")
    gain = again.comparison.difference("text_to_image", "mrr", 0, 1)
    assert gain.value == pytest.approx(after.metrics["text_to_image"]["mrr"].value
                                       - again.before.metrics["text_to_image"]["mrr"].value)  # fmt: skip
    assert after.metrics["image_to_text"] == again.before.metrics["image_to_text"]
    assert "re-ranked" in str(again)
    assert again.cost["ms_per_text"] > 0


def _forced(choose: Any) -> Any:
    def choice(*arguments: Any, **options: Any) -> Any:
        import dataclasses

        return dataclasses.replace(choose(*arguments, **options), fusion=Fusion(1.0, 7))

    return choice


def test_texts_are_answered(tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "choose", _forced(run.choose))
    monkeypatch.setattr(run, "question", lambda *_, **__: YES)
    made = quick(tiny_checkpoint("clip"), tmp_path / "out").reranker
    with torch.no_grad():
        made.rescorer.guide.gate.fill_(2.0)  # type: ignore[attr-defined]
    data = pairs(20)
    (hits, others) = answer(made, data, ["a red boat on the beach", "a small dog"], top=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.label for hit in hits] == [data.images[hit.image].label for hit in hits]
    vectors = encoder_of(tiny_checkpoint("clip")).encode_images([ref.open() for ref in data.images])
    texts = encoder_of(tiny_checkpoint("clip")).encode_texts(["a red boat on the beach", "a small dog"])
    for text, found in zip(texts, (hits, others), strict=True):
        places = (-(vectors @ text)).argsort().argsort() + 1
        assert [hit.rank_before for hit in found] == [int(places[hit.image]) for hit in found]
    assert 3 < max(hit.rank_before for hit in hits + others) <= 7  # from the seven looked at, not from the first three
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(answer(made, data, ["x"], top=100)[0]) == 20
    assert answer(made, data, [], top=3) == []
    with pytest.raises(ConfigError, match="top is 0"):
        answer(made, data, ["x"], top=0)


def test_what_cannot_be_done_is_said_before_the_work(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("clip")
    with pytest.raises(ConfigError, match="takes no visual prompts"):
        luneta.train_elip(ConceptEncoder(), pairs(20), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="has 2 blocks"):
        quick(checkpoint, tmp_path / "out", recipe={"insert_layer": 9})
    with pytest.raises(ConfigError, match="needs a bias"):
        quick(checkpoint, tmp_path / "sigmoid", recipe={"loss": "sigmoid"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="is not empty and no training of ours"):
        quick(checkpoint, tmp_path / "mine")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetError, match="nothing is left"):
        luneta.train_elip(
            encoder_of(checkpoint), pairs(14), out=tmp_path / "leak", validation=pairs(14), near=False,
            recipe=ElipRecipe(**SMALL),
        )  # fmt: skip


def test_pictures_that_cannot_be_read_leave_with_their_texts(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    held = [Held(f"{i}", None if i == 5 else painting(i, 40)) for i in range(24)]
    data = gallery(held, [[f"thing {i} of many"] for i in range(24)])
    found = luneta.train_elip(
        encoder_of(tiny_checkpoint("clip")), data, out=tmp_path / "out", recipe=ElipRecipe(**SMALL), near=False,
        validation=pairs(14, start=30), max_bad_share=0.1,
    )  # fmt: skip
    assert found.n_train == 23


@pytest.mark.parametrize("layer", [0, 1])
def test_what_it_will_take(layer: int, tiny_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk to the byte, and time and money of every part."""
    encoder = encoder_of(tiny_checkpoint("clip"))
    recipe = ElipRecipe(**{**SMALL, "insert_layer": layer})
    told: dict[str, Any] = {"validation": pairs(14, start=20), "near": False, "recipe": recipe}
    plan = predict_elip(encoder, pairs(20), **told, prices=Prices(usd_per_hour=3600.0, brl_per_usd=5.0))
    assert plan.seconds == pytest.approx(sum(plan.seconds_by_part.values()))
    assert plan.usd == pytest.approx(plan.seconds)
    assert plan.brl == pytest.approx(5 * plan.seconds)
    disk = dict(plan.bytes_by_part)
    assert disk.pop("pictures") > 34 * 500
    n_parameters = Elip.untrained(encoder, recipe).guide.n_parameters
    assert disk == {
        "states": layer * 34 * 17 * 32 * 4,  # 34 pictures of 17 tokens of 32 numbers
        "vectors": 68 * (encoder.spec.embedding_dim * 4 + 64),  # with as many texts
        "checkpoints": 9 * 4 * n_parameters,
    }
    assert plan.disk_mib == pytest.approx(sum(disk.values()) / 2**20)
    assert not plan.on_the_fly
    with (
        monkeypatch.context() as patch
    ):  # three steps, 4 x 14 pairs, a million scores take 3 s; a picture half a second
        patch.setattr(plans, "_seconds", lambda work: 3.0)
        patch.setattr(plans, "_of_a_picture", lambda pictures: (0.5, 1.0))
        plan = predict_elip(encoder, pairs(20), **told)
    n_pairs = 2 * 14 * 14 + 2 * 14 * 14  # two validations of 14 texts and pictures; the choice and the questions
    times = dict(plan.seconds_by_part)
    assert times.pop("apart") > 0
    assert times.pop("vectors") > 0
    assert times == pytest.approx(
        {"mining": 34 * 20 * 3 / 1e6, "states": 34 * 0.5, "steps": 6 * 1.0, "measuring": n_pairs * 3 / (4 * 14)}
    )


def test_the_rehearsal_leaves_no_trace(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_it = quick(tiny_checkpoint("clip"), tmp_path / "with")
    monkeypatch.setattr(run, "rehearse", lambda *_: Plan(1.0, 0.0, None, None))
    without = quick(tiny_checkpoint("clip"), tmp_path / "without")
    assert with_it.history == without.history
    guides = [
        (out / "reranker" / "guide.safetensors").read_bytes() for out in (tmp_path / "with", tmp_path / "without")
    ]
    assert guides[0] == guides[1]


def test_another_recipe_does_not_go_on_in_its_folder(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "choose", stopped)
        with pytest.raises(KeyboardInterrupt):
            quick(tiny_checkpoint("clip"), tmp_path / "out")
    with pytest.raises(ConfigError, match="another recipe"):
        quick(tiny_checkpoint("clip"), tmp_path / "out", recipe={"seed": 3})
    assert quick(tiny_checkpoint("clip"), tmp_path / "out").history[-1]["step"] == 6


def test_a_validation_part_that_was_taken_out_is_known_by_what_it_was_taken_of(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    found = quick(tiny_checkpoint("clip"), tmp_path / "out", validation=None)
    chosen_on = found.reranker.record["validation"]
    assert chosen_on["given"] == pairs(20, per_image=2).fingerprint != chosen_on["fingerprint"]


class Backwards(ElipTraining):
    """Learns the contrary, and notes what was asked of it."""

    asked: ClassVar[list[int]] = []

    def similarity(self, lists: Lists, chosen: np.ndarray, pairs: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(pairs))
        return -super().similarity(lists, chosen, pairs)


def test_another_way_of_learning_is_a_class_of_ones_own_and_has_its_own_folder(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    checkpoint = tiny_checkpoint("clip")
    Backwards.asked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(run, "choose", stopped)
        with pytest.raises(KeyboardInterrupt):
            quick(checkpoint, tmp_path / "out", trained_by=Backwards)
    assert Backwards.asked == [48] * (4 + 6)  # a few are tried before
    with pytest.raises(ConfigError, match="another recipe"):
        quick(checkpoint, tmp_path / "out")
    theirs, ours = quick(checkpoint, tmp_path / "out", trained_by=Backwards), quick(checkpoint, tmp_path / "usual")
    assert len(Backwards.asked) == 4 + 6 + 4
    assert theirs.history != ours.history
    with pytest.raises(ConfigError, match="finished training by Backwards, which may have been edited since"):
        quick(checkpoint, tmp_path / "out", trained_by=Backwards)
