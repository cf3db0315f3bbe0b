"""What is settled before a training: parts that decode every picture once, what is predicted, whose a folder is."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.encoders import precision
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError
from luneta.evaluation import evaluate
from luneta.finetuning import Recipe, claims, finetune, planning, rehearsal
from luneta.finetuning.planning import Given, Plan
from luneta.finetuning.rehearsal import Work, predict
from luneta.finetuning.run import predict_cost
from luneta.finetuning.tables import proof_grid
from luneta.finetuning.training import Training
from luneta.types import Encoder
from paintings import Held, gallery
from tuning import opened, pairs, training

QUICK = Recipe(steps=2, batch_size=8, validations=1, learning_rate=1e-3, precision="float32")


@pytest.fixture
def encoder(tiny_checkpoint: Callable[[str], Path]) -> Encoder:
    return load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


# -- parts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted(Held):
    """Remembers how often it was decoded."""

    seen: Counter[str] = None  # type: ignore[assignment]

    def open(self) -> Image.Image:
        self.seen[self.label] += 1
        return super().open()


def counted(data: ImageTextDataset, seen: Counter[str]) -> ImageTextDataset:
    return replace(data, images=[Counted(ref.label, ref.image, seen=seen) for ref in data.images])  # type: ignore[attr-defined]


@pytest.mark.parametrize("near", [True, False])
def test_every_picture_is_decoded_once_to_keep_parts_apart(encoder: Any, near: bool) -> None:
    """Also one that stands in several data sets, what validates and what is to be kept; tests where that is asked."""
    seen: Counter[str] = Counter()
    torn = Held("torn", None)
    train = gallery([*pairs(20).images, torn], [*([text] for text in pairs(20).texts), ["torn"]])
    kept = gallery([*pairs(26).images], [[f"outra {i}"] for i in range(26)], name="kept")
    given = Given(
        counted(train, seen), counted(pairs(5, start=30), seen), [counted(pairs(5, start=36), seen)],
        [counted(kept, seen)], near, 0.2,
    )  # fmt: skip
    plan = Plan.of(encoder, given, QUICK)
    assert plan.parts.train.n_images == 20
    of_tests = {f"picture {i}" for i in range(36, 41)}
    assert {label for label, n in seen.items() if n != 1} == set()
    assert seen.keys() - of_tests == {f"picture {i}" for i in (*range(26), *range(30, 35))} | {"torn"}
    assert (seen.keys() >= of_tests) == near


def test_unreadable_pictures_are_named_once_decoded(encoder: Any) -> None:
    """What was found while parts were kept apart is found in the parts that remain of each data set."""
    broken = [Held(f"torn {i}", None) for i in range(2)]
    validation = gallery(
        [pairs(1, start=36).images[0], *broken[:1], *pairs(6, start=30).images], [[f"v{i}"] for i in range(8)]
    )
    kept = gallery(
        [*pairs(3).images, *broken[1:], *pairs(8, start=40).images], [[f"k{i}"] for i in range(12)], name="kept"
    )
    given = Given(pairs(20), validation, [pairs(1, start=36)], [kept], True, 0.2)
    plan = Plan.of(encoder, given, QUICK)
    assert {ref.label for ref in plan.parts.validation.images} == {f"picture {i}" for i in range(30, 36)}
    (left,) = plan.kept.values()
    assert left.proving is not None
    shown = [ref.label for part in (left.deciding, left.proving) for ref in part.images]
    assert sorted(shown) == sorted(f"picture {i}" for i in range(40, 48))


# -- prediction ------------------------------------------------------------------------------------------------------

PACE = {"preparing": 1.0, "bytes": 100.0, "image": 10.0, "text": 0.1, "image width": 4, "text width": 4, "writing": 0.0}


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rehearsal in which a step takes 100 s, the first 7 s more, a picture 1 s to prepare and 10 s of its tower."""
    shown = rehearsal._Rehearsed(100.0, 7.0, keeps_pictures=True, kept_bytes=0, trained_bytes=0)
    monkeypatch.setattr(rehearsal, "_pace", lambda *_: PACE)
    monkeypatch.setattr(rehearsal, "_rehearse", lambda *_: shown)


def begun(folder: Path, step: int) -> Path:
    """A training that was stopped after so many steps."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / "whole.json").write_text("{}")
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": []}))
    return folder


@pytest.mark.usefixtures("paced")
def test_what_is_predicted_adds_up(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    data = pairs(12, per_image=2)
    probe = training(opened(tiny_checkpoint("clip")), data, tmp_path, steps=9, validations=3, batch_size=6)
    found = predict(probe, Work([pairs(3)], [pairs(5)], opening_s=3.0), Prices()).seconds_by_part
    passes = 12 * 10 + 24 * 0.1
    assert found["loading"] == pytest.approx(6)
    assert found["steps"] == pytest.approx(9 * 100 + 7 + 12)
    assert found["validations"] == pytest.approx(3 * passes + 12)
    assert found["mixtures"] == pytest.approx(6 * passes + 12 + 6 * 3 * 10.1 + 3)
    assert found["proof"] == pytest.approx(2 * 5 * 11.1)
    assert found["features"] == found["mining"] == 0


@pytest.mark.usefixtures("paced")
def test_of_a_training_that_was_begun_what_is_left_is_predicted(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    how: dict[str, Any] = {"method": "lit", "steps": 9, "validations": 3, "batch_size": 6, "hard_negatives": True}
    probe = training(opened(tiny_checkpoint("clip")), pairs(12), tmp_path / "probe", **how)
    tests = [pairs(5)]
    new = predict(probe, Work([], tests), Prices())
    folder = begun(tmp_path / "run", 6)
    (folder / "features-image-0123.npy").touch()
    (folder / "negatives-0.npy").touch()
    left = predict(probe, Work([], tests, begun=folder), Prices())
    assert (new.n_steps, left.n_steps) == (9, 3)
    before, after = new.seconds_by_part, left.seconds_by_part
    assert (before["steps"], after["steps"]) == (907, 307)
    assert before["validations"] - after["validations"] == pytest.approx(2 * 12 * 0.1)
    assert (before["features"], after["features"]) == (pytest.approx(12 * 11), 0)
    assert (before["mining"], after["mining"]) == (pytest.approx(12 * 0.1), 0)
    assert after["proof"] == before["proof"] / 2
    done = predict(probe, Work([], tests, begun=begun(folder, 9)), Prices())
    assert (done.n_steps, done.seconds_by_part["steps"]) == (0, 0)


def test_a_run_that_goes_on_is_told_what_is_left(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, seen = replace(QUICK, steps=6, validations=3), []
    predicted = planning.predict

    def spied(*arguments: Any) -> Any:
        seen.append(predicted(*arguments).n_steps)
        return predicted(*arguments)

    def killed(self: Training) -> None:
        begun(self.folder, 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "predict", spied)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "run", killed)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                finetune(encoder, pairs(12), out=tmp_path / "out", recipe=recipe, near=False)
    predict_cost(encoder, pairs(12), out=tmp_path / "out", recipe=recipe, near=False)
    predict_cost(encoder, pairs(12), recipe=recipe, near=False)
    assert seen == [6, 4, 4, 6]


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system forgets no peak")
def test_predicted_memory_is_not_what_the_process_had_before(encoder: Encoder) -> None:
    np.ones(2**28).sum()  # 2 GiB for a moment
    found = predict_cost(encoder, pairs(12), recipe=QUICK, near=False)
    assert found.peak_of == "run"
    assert 100 < found.peak_mib < 1800


@pytest.mark.usefixtures("paced")
def test_predicted_memory_counts_what_a_rehearsal_does_not_hold(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights before, the pictures of validation, and those that will have been kept by the end of an epoch."""
    probe = training(opened(tiny_checkpoint("clip")), pairs(12), tmp_path, validation=pairs(4))
    monkeypatch.setattr("luneta.cost._peak_mib", lambda device: 1000.0)
    weights = sum(tensor.nbytes for tensor in probe.trainable.model.state_dict().values()) / 2**20
    monkeypatch.setitem(PACE, "bytes", 10 * 2**20)
    assert predict(probe, Work([], []), Prices()).peak_mib == pytest.approx(1000 + weights + 10 * (4 + 12))
    many = Work([pairs(48)], [])
    assert predict(probe, many, Prices()).peak_mib == pytest.approx(1000 + 3 * weights + 10 * (4 + 48))


# -- proof -----------------------------------------------------------------------------------------------------------


def test_the_proof_is_computed_as_the_encoder_was_loaded(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def spied(*arguments: Any, batch_size: int | None = None, **options: Any) -> Any:
        asked.append(batch_size)
        return evaluate(*arguments, batch_size=batch_size, **options)

    monkeypatch.setattr(planning, "evaluate", spied)
    encoder = load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu", batch_size=3)
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=pairs(4, start=30), near=False)
    assert asked == [3, 3]
    assert found.encoder.batch_size == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_proof_and_an_evaluation_in_the_same_precision_agree(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, dtype: str
) -> None:
    encoder = load_encoder(str(tiny_checkpoint("clip")), dtype=dtype, device="cpu")
    test = pairs(12, start=30, per_image=2, name="test")
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=test, near=False)
    (proof,) = found.proofs
    again = evaluate(load_encoder(str(found.folder), dtype=dtype, device="cpu"), test, cache=False)
    assert again.metrics == proof.after.metrics
    assert again.encoder["fingerprint"] == proof.after.encoder["fingerprint"]
    assert again.protocol["hash"] == found.to_dict()["proofs"][0]["protocol"]
    assert found.to_dict()["proofs"][0]["dtype"] == dtype
    for locale, said in (("en", f"computed in {dtype}"), ("pt-BR", f"calculado em {dtype}")):
        assert said in proof_grid(proof, locale).notes[0]


# -- whose a folder is -----------------------------------------------------------------------------------------------


def stopped(encoder: Encoder, out: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training into a folder, until something of it is on the disk."""

    def killed(self: Training) -> None:
        self.folder.mkdir(exist_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "run", killed)
        finetune(encoder, pairs(12), out=out, recipe=recipe, near=False)


def test_another_precision_is_another_training(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where "auto" comes to another one on another machine; what it comes to here may be said by its name."""
    automatic = replace(QUICK, precision="auto")
    with monkeypatch.context() as patch:
        patch.setattr(precision, "computes_bfloat16", lambda device: True)
        stopped(encoder, tmp_path / "out", automatic, monkeypatch)
        stopped(encoder, tmp_path / "out", replace(QUICK, precision="bfloat16"), monkeypatch)
        patch.setattr(precision, "computes_bfloat16", lambda device: False)
        with pytest.raises(ConfigError, match=r"another recipe \(precision: bfloat16 there, float32 here\)"):
            finetune(encoder, pairs(12), out=tmp_path / "out", recipe=automatic, near=False)


def test_what_differs_is_named(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(encoder, tmp_path / "out", QUICK, monkeypatch)
    with pytest.raises(ConfigError, match=r"\(data train; recipe steps: 2 there, 3 here\); choose another folder"):
        finetune(encoder, pairs(13), out=tmp_path / "out", recipe=replace(QUICK, steps=3), near=False)


def test_other_versions_go_on_and_are_written_down(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    out = tmp_path / "out"
    for _ in range(2):
        stopped(encoder, out, QUICK, monkeypatch)
    assert "bit for bit" not in caplog.text
    monkeypatch.setattr("luneta.finetuning.run.version", lambda name: "99" if name == "torch" else "1")
    stopped(encoder, out, QUICK, monkeypatch)
    assert "torch: " in caplog.text
    assert " there, 99 here" in caplog.text
    assert "not, bit for bit, what it would have been" in caplog.text
    first, second = json.loads((out / "training.json").read_text())["made_with"]
    assert (first["device"], second["device"], second["torch"]) == ("cpu", "cpu", "99")
    assert first["torch"] != "99"


def test_a_claim_without_machinery_is_as_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with claims.claimed(tmp_path / "out", {"steps": 3}, "result.json"):
            (tmp_path / "out" / "something").touch()
    assert not caplog.records
