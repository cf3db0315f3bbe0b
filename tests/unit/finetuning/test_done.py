"""A fine-tuning that has ended: asked for again it is read from its folder, and nothing is done."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from luneta.data.dataset import ImageTextDataset
from luneta.encoders.registry import load_encoder
from luneta.errors import ArtifactError, ConfigError
from luneta.finetuning import FineTuning, Recipe, finetune
from luneta.finetuning import run as module
from luneta.finetuning.claims import claimed
from luneta.ledger import read_ledger
from luneta.types import Encoder
from tuning import pairs

QUICK = Recipe(method="head", steps=2, batch_size=8, validations=1, precision="float32", dims=(4, 8))
TEST, KEPT = pairs(6, start=20, name="test"), pairs(6, start=30, name="kept")


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


@pytest.fixture
def encoder(tiny_checkpoint: Callable[[str], Path]) -> Encoder:
    return load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")


@pytest.fixture
def ask(encoder: Encoder, tmp_path: Path) -> Callable[..., FineTuning]:
    def finetuned(train: Any = None, by: Encoder = encoder, **changed: Any) -> FineTuning:
        given = {"recipe": QUICK, "test": TEST, "keep": [KEPT], "near": False, **changed}
        return finetune(by, pairs(12) if train is None else train, out=tmp_path / "out", **given)

    return finetuned


def written(folder: Path) -> Any:
    return json.loads((folder / "out" / "finetuning.json").read_text())


@pytest.mark.parametrize("rank", [None, "0", "1"])
def test_it_is_read_and_nothing_is_done(
    ask: Callable[..., FineTuning], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    rank: str | None,
) -> None:  # fmt: skip
    """Alone, and in each of two processes."""
    caplog.set_level(logging.INFO, "luneta")
    found = ask()
    assert "done already" not in caplog.text
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    monkeypatch.setattr(module, "Plan", None)  # whatever is begun would fail
    if rank is not None:
        for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}.items():
            monkeypatch.setenv(name, value)
    again = ask()
    assert again.to_dict() == found.to_dict()
    assert str(again) == str(found)
    said = f"done already: {tmp_path / 'out'} holds this very training"
    assert caplog.text.count(said) == (0 if rank == "1" else 1)
    texts = list(TEST.texts)
    np.testing.assert_array_equal(again.encoder.encode_texts(texts), found.encoder.encode_texts(texts))
    assert files == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(read_ledger()) == 1


def test_what_does_not_change_what_is_learnt_may_differ(ask: Callable[..., FineTuning]) -> None:
    found = ask()
    again = ask(recipe=replace(QUICK, micro_batch=4), max_bad_share=0.2)
    assert again.to_dict() == found.to_dict()
    assert again.recipe.micro_batch is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"recipe": replace(QUICK, steps=3)}, r"recipe steps: 2 there, 3 here"),
        ({"train": pairs(13)}, "data train"),
        ({"test": ()}, "data tests"),
        ({"test": [TEST, KEPT], "keep": []}, "data keep; data tests"),
        ({"allowed_loss": 0.5}, r"allowed_loss: 0.03 there, 0.5 here"),
        ({"near": True}, "near: False there, True here"),
    ],
)
def test_another_training_is_refused_by_what_differs(
    ask: Callable[..., FineTuning], tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    ask()
    before = written(tmp_path)
    with pytest.raises(ConfigError, match=rf"holds a finished training of other.*\({told}\); choose another folder"):
        ask(**changed)
    assert written(tmp_path) == before
    assert len(read_ledger()) == 1


def test_graded_pairs_of_other_grades_are_refused(
    ask: Callable[..., FineTuning], encoder: Encoder, tmp_path: Path
) -> None:
    """No fingerprint of data covers the columns beside pictures and captions."""
    graded = [graded_pairs(range(1, 13)), graded_pairs(range(12, 0, -1))]
    assert graded[0].fingerprint == graded[1].fingerprint
    how = replace(QUICK, relevance="grade")
    ask(graded[0], recipe=how)
    ask(graded[0], recipe=how)
    with pytest.raises(ConfigError, match=r"holds a finished training of other.*\(relevance\)"):
        ask(graded[1], recipe=how)


def graded_pairs(grades: Iterable[int]) -> ImageTextDataset:
    data = pairs(12)
    return replace(data, rows=data.rows.append_column("grade", pa.array(list(grades))))


def test_numbers_that_are_equal_are_the_same_training(ask: Callable[..., FineTuning]) -> None:
    found = ask(allowed_loss=1, recipe=replace(QUICK, weight_decay=0))
    assert ask(allowed_loss=1.0, recipe=replace(QUICK, weight_decay=0.0)).to_dict() == found.to_dict()


def test_weights_that_were_exchanged_are_not_presented_with_the_proof_of_others(
    ask: Callable[..., FineTuning], tmp_path: Path
) -> None:
    ask()
    weights = tmp_path / "out" / "model" / "model.safetensors"
    others = {name: torch.zeros_like(tensor) for name, tensor in load_file(weights).items()}
    others = {name: tensor + 0.5 for name, tensor in others.items()}
    save_file(others, weights, {"format": "pt"})
    with pytest.raises(ArtifactError, match=r"model holds other weights than those that .*finetuning.json tells of"):
        ask()


def test_what_a_kill_just_after_the_end_has_left_goes(ask: Callable[..., FineTuning], tmp_path: Path) -> None:
    ask()
    left = tmp_path / "out" / "training" / "checkpoint-2"
    left.mkdir(parents=True)
    ask()
    assert not left.parent.exists()


def test_another_encoder_is_refused(
    ask: Callable[..., FineTuning], tiny_checkpoint: Callable[[str], Path]
) -> None:  # fmt: skip
    ask()
    other = load_encoder(str(tiny_checkpoint("siglip")), dtype="float32", device="cpu")
    with pytest.raises(ConfigError, match=r"holds a finished training of other.*\(encoder\)"):
        ask(by=other)


def test_one_that_ends_meanwhile_is_not_trained_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claimed(out, {"steps": 3}, "result.json"):
        (out / "result.json").write_text("{}")
    with pytest.raises(ConfigError, match="another process has ended this training"), claimed(
        out, {"steps": 3}, "result.json"
    ):  # fmt: skip
        pytest.fail("it went on")


def test_what_was_written_is_read_again(
    ask: Callable[..., FineTuning], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "choose", lambda points, allowed: points[2])
    found = ask(recipe=replace(QUICK, method="lora", rank=2, validations=2, log_to=("tensorboard",)))
    again = FineTuning.load(tmp_path / "out")
    assert again.to_dict() == found.to_dict() == written(tmp_path)
    assert again.recipe.to_dict() == found.recipe.to_dict()
    assert (again.folder, again.base, again.data) == (found.folder, found.base, found.data)
    assert again.chosen is next(point for point in again.curve if point.alpha == found.chosen.alpha)
    assert again.comparison is not None
    for one, other in zip(found.proofs, again.proofs, strict=True):
        assert (one.name, one.learnt) == (other.name, other.learnt)
        assert one.after.metrics == other.after.metrics
        assert other.after.data is None


def test_pictures_come_back_with_the_data(ask: Callable[..., FineTuning], encoder: Encoder, tmp_path: Path) -> None:
    found = ask()
    again = FineTuning.load(tmp_path / "out", encoder=found.encoder).pictured(encoder, TEST)
    (fresh, _), (read, kept) = found.proofs, again.proofs
    for one, other in ((fresh.before, read.before), (fresh.after, read.after)):
        assert one.exhibits == other.exhibits
        assert other.data is not None
        assert one.data is not None
        assert one.data.fingerprint == other.data.fingerprint
    assert kept.before.data is None
    assert found.pictured(encoder, TEST) is found
    with pytest.raises(ConfigError, match="test was measured on other data than pairs"):
        FineTuning.load(tmp_path / "out").pictured(encoder, pairs(5))
    with pytest.raises(ConfigError, match="proved on 1 test parts, and here are 2"):
        FineTuning.load(tmp_path / "out").pictured(encoder, [TEST, KEPT])


def forget(folder: Path, *names: str) -> None:
    said = written(folder)
    for name in names:
        del said[name]
    (folder / "out" / "finetuning.json").write_text(json.dumps(said))


def test_a_folder_that_keeps_less_or_other_things_is_refused(ask: Callable[..., FineTuning], tmp_path: Path) -> None:
    ask()
    out, whole = tmp_path / "out", (tmp_path / "out" / "finetuning.json").read_text()
    forget(tmp_path, "base", "data")
    with pytest.raises(ArtifactError, match=r"finetuning.json lacks base, data: .* a version that kept less. Choose"):
        ask()
    (out / "finetuning.json").write_text(re.sub(r'"dtype": "float32"\s*\},\s*"weights"', '"x": 1}, "weights"', whole))
    with pytest.raises(ArtifactError, match=r"no whole fine-tuning: KeyError: 'dtype'"):
        ask()
    (out / "finetuning.json").write_text(whole.replace(written_hash(whole), "0" * 64))
    with pytest.raises(ArtifactError, match="holds other results of test than the fine-tuning says"):
        ask()
    (out / "finetuning.json").write_text(whole.replace("luneta.finetuning/1", "luneta.finetuning/9"))
    with pytest.raises(ArtifactError, match=r"has schema 'luneta.finetuning/9'"):
        ask()
    (out / "finetuning.json").write_text(whole)
    (out / "results" / "1-test.after.json").unlink()
    with pytest.raises(ArtifactError, match=r"no such file: .*1-test.after.json"):
        ask()
    with pytest.raises(ArtifactError, match="no such file"):
        FineTuning.load(tmp_path)


def written_hash(text: str) -> str:
    return str(json.loads(text)["proofs"][0]["protocol"])
