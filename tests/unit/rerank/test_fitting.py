"""fit_reranker: chosen, questioned, proved; its folder, and whom it refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import luneta
from checkpoints import make_checkpoint
from crossing import Oracle
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ArtifactError, ConfigError, DatasetError, IndexMismatchError
from luneta.ledger import read_ledger
from luneta.rerank import Fusion, Reranker, RerankerFitted, evaluate_reranked
from luneta.rerank.crossing import ByFunction, Crossed
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.results import load_evaluation
from paintings import gallery
from reranking import embedded, encoder_of, found_in
from worlds import ConceptEncoder, Pixel, world

MakeCheckpoint = Callable[[str], Path]
YES = tuple(Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS)
ENCODER = ConceptEncoder(noise=2.0)
OTHERS = world(110).without_images(range(60))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def fit(out: Path, oracle: Any, **arguments: Any) -> RerankerFitted:
    return luneta.fit_reranker(ENCODER, oracle, world(60, captions_per_image=2), out=out, **arguments)


def test_one_that_helps_is_used_and_proved(tmp_path: Path) -> None:
    found = fit(tmp_path / "out", Oracle(), test=OTHERS, near=False)
    assert found.reranker.fusion.changes
    assert found.reranker.is_honest
    assert found.test is not None
    before, after = (r.metrics["text_to_image"]["recall@1"].value for r in (found.test.before, found.test.after))
    assert after > before + 0.1
    assert "alpha" in str(found)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "after.json", "after.queries.parquet", "before.json", "before.queries.parquet", "fitted.json", "reranker",
        "training.json",
    ]  # fmt: skip
    assert load_evaluation(out / "after.json").encoder["reranker"]["kind"] == "cross-encoder"
    said = json.loads((out / "fitted.json").read_text())
    assert said["fusion"] == dataclasses.asdict(found.reranker.fusion)
    assert (said["cross_encoder"]["name"], said["validation"]["name"]) == ("oracle", "world")
    assert [answer["question"] for answer in said["answers"]] == list(QUESTIONS)
    assert read_ledger(tmp_path / "ledger.jsonl")[-1].facts["alpha"] == found.reranker.fusion.alpha
    again = evaluate_reranked(Reranker.load(out / "reranker", ENCODER, cross_encoder=Oracle()), OTHERS)
    for one, other in ((found.test.before, again.before), (found.test.after, again.after)):
        np.testing.assert_array_equal(one.rankings["text_to_image"].n_better, other.rankings["text_to_image"].n_better)


def test_one_that_does_not_listen_changes_nothing(tmp_path: Path) -> None:
    found = fit(tmp_path / "out", Oracle(deaf=True))
    assert not found.reranker.fusion.changes
    assert not Reranker.load(tmp_path / "out" / "reranker", ENCODER, cross_encoder=Oracle()).fusion.changes


def test_a_gain_that_is_not_due_to_the_text_is_not_used(tmp_path: Path) -> None:
    """Most texts are of the first ten pictures; what prefers these gains for sure, whoever asks."""
    captions = [[f"thing {i}, way {way}" for way in range(12 if i < 10 else 1)] for i in range(60)]
    few = gallery([Pixel(i) for i in range(60)], captions)  # type: ignore[arg-type]
    popular = Oracle(deaf=True)
    popular.one = lambda text, number: float(number < 10)  # type: ignore[method-assign]
    found = luneta.fit_reranker(ENCODER, popular, few, out=tmp_path / "out")
    assert found.choice.fusion.changes
    assert {answer.question for answer in found.answers if not answer.passed} == {"needs_its_query"}
    assert not found.reranker.fusion.changes
    (starred,) = (line for line in str(found).splitlines() if line.split()[1:2] == ["*"])
    assert starred.split()[:2] == ["0", "*"]
    assert "has not shown that it does what it says" in " ".join(str(found).split()[-60:])
    facts = read_ledger(tmp_path / "ledger.jsonl")[-1].facts
    assert facts["mrr_after"] == facts["mrr_before"] == found.choice.baseline


def test_what_the_test_part_holds_decides_nothing(tmp_path: Path) -> None:
    shared = world(80, captions_per_image=2).without_images(range(45))  # 15 of the 60 are among them
    found = fit(tmp_path / "out", Oracle(), test=shared, near=False)
    chosen_on = world(60, captions_per_image=2).without_images(range(45, 60))
    assert found.reranker.record["validation"]["fingerprint"] == chosen_on.fingerprint


def test_to_be_measured_on_what_chose_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = world(80, captions_per_image=2).without_images(range(45))
    found = fit(tmp_path / "out", Oracle(), test=shared, near=False)
    reranker = Reranker.load(tmp_path / "out" / "reranker", ENCODER, cross_encoder=Oracle())
    assert found.reranker.fusion.changes
    given, used = world(60, captions_per_image=2), world(60, captions_per_image=2).without_images(range(45, 60))
    still = dataclasses.replace(reranker, fusion=Fusion(0.0, 10))
    for one, data, told in ((reranker, given, True), (reranker, used, True), (reranker, shared, False),
                            (reranker, OTHERS, False), (still, given, False)):  # fmt: skip
        caplog.clear()
        evaluate_reranked(one, data)
        said = [text for text in caplog.messages if "on this very data it was chosen how far" in text]
        assert len(said) == told


def test_the_scale_of_the_scores_does_not_matter(tmp_path: Path) -> None:
    found = []
    for number, (factor, offset) in enumerate(((1.0, 0.0), (1000.0, -70.0), (1e-3, 5.0), (1.0, 1e7))):
        oracle = Oracle(factor=factor, offset=offset, fingerprint=str(number) * 40)
        found.append(fit(tmp_path / str(number), oracle, test=OTHERS, near=False))
    chosen = [(one.reranker.fusion.alpha, one.reranker.fusion.k) for one in found]
    assert chosen[0][0] < 1, "alone the oracle's noise would be all"
    assert len(set(chosen)) == 1
    ranks = [one.test.after.rankings["text_to_image"].n_better for one in found if one.test is not None]
    np.testing.assert_array_equal(ranks[0], ranks[1])
    np.testing.assert_array_equal(ranks[0], ranks[2])
    np.testing.assert_array_equal(ranks[0], ranks[3])


def test_what_cannot_be_done_is_said_before_the_work(tmp_path: Path) -> None:
    oracle = Oracle()
    with pytest.raises(ConfigError, match="mine has no fingerprint"):
        fit(tmp_path / "out", ByFunction(oracle.score, "mine"))
    with pytest.raises(DatasetError, match="the test part holds all of it"):
        fit(tmp_path / "out", oracle, test=world(60, captions_per_image=2), near=False)
    with pytest.raises(ConfigError, match="k is 0"):
        fit(tmp_path / "out", oracle, k=0)
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="is not empty"):
        fit(tmp_path / "mine", oracle)
    assert not oracle.looked


def test_the_example_of_the_manual_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "reranking.md").read_text(encoding="utf-8")
    (example,) = (block.split("```")[0] for block in manual.split("```python\n")[1:] if "ByFunction" in block)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    assert len(names["fitted"].answers) == 3
    assert (tmp_path / "redness" / "reranker" / "reranker.json").is_file()


# -- its folder ------------------------------------------------------------------------------------------------


def test_an_object_of_ones_own_is_given_and_must_be_the_same(tmp_path: Path) -> None:
    fit(tmp_path / "out", Oracle())
    folder = tmp_path / "out" / "reranker"
    with pytest.raises(ConfigError, match="scores with oracle, an object of your own: give it as cross_encoder"):
        Reranker.load(folder, ENCODER)
    with pytest.raises(IndexMismatchError, match=r"was made for oracle .*not for another"):
        Reranker.load(folder, ENCODER, cross_encoder=Oracle(name="another", fingerprint="p" * 40))
    with pytest.raises(IndexMismatchError, match="was made for concepts"):
        Reranker.load(folder, ConceptEncoder(noise=0.5), cross_encoder=Oracle())
    with pytest.raises(ConfigError, match="has no fingerprint"):
        Reranker.load(folder, ENCODER, cross_encoder=Oracle(fingerprint=""))


def itm(tiny_checkpoint: MakeCheckpoint, **options: Any) -> Reranker:
    matcher = load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu", **options)
    return Reranker(encoder_of(tiny_checkpoint("clip")), Crossed(matcher), Fusion(0.5, 6, 0.2, -0.1), YES)


def test_image_text_matching_is_found_by_its_name(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = itm(tiny_checkpoint, weight=0.05, counts="logit")
    made.save(tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["reranker.json"]
    again: Any = Reranker.load(tmp_path / "saved", made.encoder)
    assert (again.fusion, list(again.answers)) == (made.fusion, list(made.answers))
    assert (again.rescorer.kind, again.rescorer.cross_encoder.weight) == ("itm", 0.05)
    found = found_in(embedded(tiny_checkpoint("clip"), 24))
    told = (found.queries.texts, found.dataset.images, found.candidates, found.scores)
    for first, second in zip(made.rerank(*told), again.rerank(*told), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (made.rerank(*told)[0] != found.candidates).any()


def test_it_is_refused_for_another_cross_encoder(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    itm(tiny_checkpoint).save(tmp_path / "saved")
    encoder, other = encoder_of(tiny_checkpoint("clip")), make_checkpoint("blip2", tmp_path / "other", layers=2)
    given = load_cross_encoder(other, dtype="float32", device="cpu")
    with pytest.raises(IndexMismatchError, match=r"was made for .*blip2 .*not for .*other"):
        Reranker.load(tmp_path / "saved", encoder, cross_encoder=given)
    heavier = load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu", weight=0.5)
    with pytest.raises(IndexMismatchError):
        Reranker.load(tmp_path / "saved", encoder, cross_encoder=heavier)
    with pytest.raises(IndexMismatchError, match=r"not for .*siglip"):
        Reranker.load(tmp_path / "saved", encoder_of(tiny_checkpoint("siglip")))


@pytest.mark.parametrize("damage", ["kind", "no cross-encoder", "no name", "no dtype", "slope"])
def test_damaged_folders(damage: str, tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = itm(tiny_checkpoint)
    made.save(tmp_path / "saved")
    record = tmp_path / "saved" / "reranker.json"
    said = json.loads(record.read_text())
    if damage == "kind":
        said["kind"] = "itn"
    elif damage == "no cross-encoder":
        del said["cross_encoder"]
    elif damage == "no name":
        del said["cross_encoder"]["name"]
    elif damage == "no dtype":
        del said["cross_encoder"]["dtype"]
    else:
        said["fusion"]["slope"] = -1
    record.write_text(json.dumps(said))
    with pytest.raises(ArtifactError, match="Did you mean itm" if damage == "kind" else None):
        Reranker.load(tmp_path / "saved", made.encoder)
