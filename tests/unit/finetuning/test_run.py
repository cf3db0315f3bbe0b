"""finetune from end to end on tiny things: parts, proof, prediction, and what it refuses."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.encoders import precision
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError, DatasetError
from luneta.finetuning import Recipe, finetune, processes
from luneta.finetuning import run as module
from luneta.finetuning.interpolation import Point
from luneta.finetuning.material import features
from luneta.finetuning.parts import Parts, apart, broken_pictures, not_learnt, relevance_of
from luneta.finetuning.planning import Plan
from luneta.finetuning.prediction import Prediction, last_off, scratch
from luneta.finetuning.proof import names_of
from luneta.finetuning.rehearsal import Work, predict
from luneta.finetuning.run import predict_cost
from luneta.finetuning.training import Training
from luneta.ledger import entered, read_ledger
from luneta.results import load_evaluation
from luneta.types import Encoder
from paintings import Held, gallery, painting
from tuning import differences, opened, pairs, training
from worlds import ConceptEncoder

QUICK = Recipe(steps=2, batch_size=8, validations=1, learning_rate=1e-3, precision="float32")


@pytest.fixture
def encoder(tiny_checkpoint: Callable[[str], Path]) -> Encoder:
    return load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def with_picture(data: ImageTextDataset, index: int, held: Held) -> ImageTextDataset:
    images = list(data.images)
    images[index] = held
    return replace(data, images=images)


def test_the_whole_way(encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "luneta")
    test, other = pairs(6, start=30, name="test"), pairs(5, start=40, name="other")
    shared = gallery([*pairs(20).images, test.images[2]], [*([text] for text in pairs(20).texts), ["seen before"]])
    found = finetune(encoder, shared, out=tmp_path / "out", recipe=QUICK, test=test, keep=[other], prices=Prices(2.0))
    assert found.n_leaked == 1
    assert found.n_train + found.n_val == 20
    assert "the validation or test part has the same picture or caption: 1 of 21" in caplog.text
    assert "takes less than 10 seconds" in caplog.text
    assert "the first prediction on this device" in caplog.text
    assert set(found.curve[0].recalls) == {"validation", "other"}
    assert found.comparison is not None
    assert [(proof.name, proof.learnt) for proof in found.proofs] == [("test", True), ("other", False)]
    assert [proof.after.dataset["n_images"] for proof in found.proofs] == [6, 2]
    assert found.to_dict()["proofs"][0]["recall@1"]["text_to_image"]["after"] == facts_of(found)[0]
    files = sorted(path.name for path in (tmp_path / "out" / "results").glob("*.json"))
    assert files == ["1-test.after.json", "1-test.before.json", "2-other.after.json", "2-other.before.json"]
    assert load_evaluation(tmp_path / "out" / "results" / files[0]).protocol == found.proofs[0].after.protocol
    (entry,) = read_ledger()
    assert (entry.kind, entry.status) == ("finetune", "finished")
    facts = entry.facts
    assert facts["recall"] == pytest.approx(sum(facts_of(found)) / 2)
    assert 0 < facts["actual_s"] < facts["wall_s"]
    assert facts["predicted_s"] > 0
    assert facts["predicted_usd"] == pytest.approx(2 * facts["predicted_s"] / 3600)
    assert last_off("cpu") is None  # over at once: nothing was predicted
    assert not (tmp_path / "out" / "training").exists()


def test_before_and_after_are_computed_alike(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where "auto" is another number format than the encoder's."""
    encoder = load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: True)
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK)
    assert found.encoder.spec.dtype == "float32"


def test_a_proof_that_cannot_be_given_is_found_out_first(encoder: Encoder, tmp_path: Path) -> None:
    test = with_picture(pairs(10, start=30, name="test"), 0, Held("torn.jpg", None))
    with pytest.raises(DatasetError, match="1 images that cannot be read"):
        finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=test)
    assert not (tmp_path / "out").exists()
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=test, max_bad_share=0.1)
    assert found.proofs[0].after.dataset["n_images"] == 9
    torn = pairs(12)
    for i in range(3):
        torn = with_picture(torn, i, Held(f"torn {i}", None))
    with pytest.raises(DatasetError, match="3 of 12 images of pairs cannot be read"):
        predict_cost(encoder, torn, recipe=QUICK, near=False)
    assert apart(torn, None, [], False, 0, 0.3).train.n_images < 9


def facts_of(found: Any) -> list[float]:
    return [found.proofs[0].after.metrics[d]["recall@1"].value for d in ("text_to_image", "image_to_text")]


def test_leaked_images_leave_training_and_no_group_is_divided() -> None:
    test = pairs(4, start=10, name="test")
    resized = [Held(f"copy {i}", painting(i, 40).resize((50, 50))) for i in range(10, 14)]
    data = gallery([*pairs(10).images, *resized, *pairs(4).images],
                   [[text] for text in (*pairs(10).texts, "w", "x", "y", "z", *"abcd")])  # fmt: skip
    parts = apart(data, None, [test], True, 0)
    assert parts.n_leaked == 4
    assert not {ref.label for ref in parts.train.images} & {ref.label for ref in resized}
    inside, outside = ({ref.label for ref in part.images} for part in (parts.train, parts.validation))
    assert outside
    assert not inside & outside
    assert len(parts.groups) == parts.train.n_images
    with pytest.raises(DatasetError, match="nothing is left of test to learn from"):
        apart(test, None, [test], False, 0)


def test_pictures_that_cannot_be_read_leave_with_their_texts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    data = with_picture(pairs(20), 3, Held("torn.jpg", None))
    assert broken_pictures(data) == {3: "truncated file"}
    validation = with_picture(pairs(5, start=30), 1, Held("torn too.jpg", None))
    for near in (True, False):
        parts = apart(data, validation, [], near, 0)
        assert (parts.train.n_images, parts.validation.n_images) == (19, 4)
        assert data.texts[3] not in parts.train.texts
    assert "pairs: images left out, since they cannot be read: 1 of 20 (torn.jpg)" in caplog.text
    with pytest.raises(
        DatasetError, match=r"2 of 20 images of pairs cannot be read \(torn.jpg: trunc.*Repair or remove"
    ):
        apart(with_picture(data, 4, Held("torn 2.jpg", None)), None, [], False, 0)


def test_one_group_is_refused_with_a_way_out() -> None:
    data = pairs(6)
    labels = gallery(list(data.images), [["cat"]] * 6)
    with pytest.raises(DatasetError, match=r"one group.*name one yourself"):
        apart(labels, None, [], False, 0)


def test_too_little_data_and_cut_captions_are_said(
    encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    data = pairs(12)
    long = gallery(list(data.images), [[data.texts[0] + " and so on" * 40], *([text] for text in data.texts[1:])])
    predict_cost(encoder, long, recipe=replace(QUICK, steps=3))
    assert "method='full' learns more by heart than it understands: take method='head'" in caplog.text
    assert "training captions longer than" in caplog.text
    assert re.search(r"whose end is not learnt: 1 of 1[01] \(", caplog.text)


@pytest.mark.parametrize(
    ("family", "recipe", "message"),
    [
        (
            "align",
            {"method": "lora"},
            "no attention that low-rank adapters could be put into; train it with method='full'",
        ),
        ("clip", {"loss": "sigmoid"}, "take loss='infonce'"),
        ("siglip2-naflex", {"drop_patches": 0.5}, "patches cannot be dropped"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_folder_is_taken(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, family: str, recipe: dict[str, Any], message: str
) -> None:
    encoder = load_encoder(str(tiny_checkpoint(family)), dtype="float32", device="cpu")
    with pytest.raises(ConfigError, match=message):
        finetune(encoder, pairs(12), out=tmp_path / "out", recipe=replace(QUICK, **recipe))
    assert not (tmp_path / "out").exists()
    assert read_ledger()[-1].status == "failed"


def test_only_checkpoints_of_transformers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="concepts cannot be fine-tuned"):
        finetune(ConceptEncoder(), pairs(4), out=tmp_path / "out")


@pytest.mark.parametrize("allowed", [-0.01, 1.5, float("nan"), "much"])
def test_what_may_be_forgotten_is_a_share(encoder: Encoder, tmp_path: Path, allowed: Any) -> None:
    with pytest.raises(ConfigError, match=r"allowed_loss is .*, expected how much recall may fall"):
        finetune(encoder, pairs(4), out=tmp_path / "out", allowed_loss=allowed)


def claim(folder: Path, identity: dict[str, Any]) -> None:
    with module.claimed(folder, identity, module.RESULT):
        pass


def test_one_process_at_a_time(encoder: Encoder, tmp_path: Path) -> None:
    """Another one with the very same arguments, as when a command is started twice."""
    out = tmp_path / "out"
    start = {"encoder": "x"}
    program = (
        "import sys; from pathlib import Path; from luneta.finetuning.claims import claimed\n"
        f"with claimed(Path({str(out)!r}), {start!r}, 'x'):\n    print('mine', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(ConfigError, match="another process is training into"):
            claim(out, start)
        other.kill()
    claim(out, start)


def test_foreign_folders_are_left_alone(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="is not empty and no training of ours"):
        finetune(encoder, pairs(12), out=tmp_path / "mine", recipe=QUICK)
    claim(tmp_path / "other", {"recipe": 1})
    (tmp_path / "other" / "training").mkdir()
    with pytest.raises(ConfigError, match="holds a training of other data"):
        claim(tmp_path / "other", {"recipe": 2})
    claim(tmp_path / "other", {"recipe": 1})
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["training", "training.json"]
    with pytest.raises(ConfigError, match="holds a training of other data"):
        finetune(encoder, pairs(12), out=tmp_path / "other", recipe=QUICK)


def test_what_chooses_shares_nothing_with_the_proof(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    validation, test = pairs(8, start=28, name="val"), pairs(8, start=34, name="test")
    parts = apart(pairs(20), validation, [test], False, 0)
    labels = {ref.label for ref in parts.validation.images}
    assert labels == {f"picture {i}" for i in range(28, 34)}
    assert "validation images left out, since the test part has the same picture or caption: 2 of 8" in caplog.text
    with pytest.raises(DatasetError, match="nothing is left of test to validate on"):
        apart(pairs(20), test, [test], False, 0)


def test_what_is_forgotten_is_measured_on_what_is_not_learnt() -> None:
    """Equal pictures, and near ones, under captions of their own."""
    train = pairs(10)
    resized = Held("copy", painting(3, 40).resize((50, 50)))
    kept = gallery([*pairs(14).images, resized], [[f"zzz {i}"] for i in range(15)], name="other language")
    for near, expected in ((True, [10, 11, 12, 13]), (False, [10, 11, 12, 13, "copy"])):
        (left,) = not_learnt([kept], parted(train), [], near, 0)
        assert sorted(labels(left.deciding) + labels(left.proving)) == sorted(
            f"picture {i}" if i != "copy" else str(i) for i in expected
        )
        assert abs(len(labels(left.deciding)) - len(labels(left.proving))) <= 1
    same_captions = gallery(list(pairs(4, start=20).images), [[text] for text in train.texts[:4]])
    (left,) = not_learnt([same_captions], parted(train), [], False, 0)
    assert (len(labels(left.deciding)), len(labels(left.proving))) == (2, 2)
    with pytest.raises(DatasetError, match="all its pictures are learnt from"):
        learnt = gallery(list(train.images), [[str(i)] for i in range(10)])
        not_learnt([same_captions, learnt], parted(train), [], False, 0)


def labels(data: ImageTextDataset | None) -> list[str]:
    return [] if data is None else [ref.label for ref in data.images]


def parted(train: ImageTextDataset, validation: ImageTextDataset | None = None) -> Parts:
    """A training part and a validation part, which is elsewhere unless given."""
    return Parts(train, pairs(2, start=46) if validation is None else validation, np.arange(train.n_images), 0)


def test_what_is_tested_decides_nothing_and_what_decides_proves_nothing() -> None:
    train, test = pairs(10), pairs(8, start=10)
    other_words = gallery(list(pairs(12, start=8).images), [[f"zzz {i}"] for i in range(12)])
    (left,) = not_learnt([other_words], parted(train), [test], False, 0)
    assert labels(left.proving) == [f"picture {i}" for i in range(10, 18)]
    assert labels(left.deciding) == ["picture 18", "picture 19"]
    (left,) = not_learnt([other_words], parted(train, pairs(4, start=14)), [pairs(3, start=10)], False, 0)
    assert set(labels(left.deciding)) >= {f"picture {i}" for i in range(14, 18)}
    assert set(labels(left.proving)) >= {f"picture {i}" for i in range(10, 13)}
    assert len(labels(left.deciding)) + len(labels(left.proving)) == 10
    same = gallery(list(pairs(4, start=20).images), [[f"zzz {i}"] for i in range(4)])
    (left,) = not_learnt([same], parted(train, pairs(4, start=20)), [], False, 0)
    assert (len(labels(left.deciding)), left.proving) == (4, None)
    with pytest.raises(DatasetError, match="are in the test part, which decides nothing"):
        not_learnt([gallery(list(test.images), [[f"z {i}"] for i in range(8)])], parted(train), [test], False, 0)
    copies = [Held(f"copy {i}", painting(20, 40).resize((40 + i, 40))) for i in range(6)]
    joined = gallery([*copies, *pairs(2, start=30).images], [[f"zzz {i}"] for i in range(8)])
    (left,) = not_learnt([joined], parted(train), [], True, 0)
    together = {len({name for name in labels(part) if "copy" in name}) for part in (left.deciding, left.proving)}
    assert together == {0, 6}
    (left,) = not_learnt([pairs(1, start=40)], parted(train), [], False, 0)
    assert (labels(left.deciding), left.proving) == (["picture 40"], None)


def test_names_are_never_given_twice() -> None:
    sets = [replace(pairs(2), name=name) for name in ("a (2)", "a", "a", "validation")]
    assert names_of(sets, reserved=["validation"]) == ["a (2)", "a", "a (3)", "validation (2)"]


def test_other_parts_that_cannot_be_read(encoder: Encoder, tmp_path: Path) -> None:
    torn = gallery([Held(f"torn {i}", None) for i in range(3)], [["a"], ["b"], ["c"]], name="torn")
    for arguments in ({"validation": torn}, {"keep": [torn]}):
        with pytest.raises(DatasetError, match=r"(\d) of \1 images of torn cannot be read"):
            finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, near=False, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by that name
def test_the_adapter_is_what_the_chosen_mixture_adds(
    encoder: Encoder, tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PeftModel
    from transformers import CLIPModel

    monkeypatch.setattr(
        module, "curve", lambda *_: [Point(a, {"validation": 0.9 if a == 0.4 else 0.1}) for a in (0.0, 0.4, 1.0)]
    )
    recipe = replace(QUICK, method="lora", rank=2, learning_rate=1e-2)
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=recipe)
    written = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == "clip"
    plain = CLIPModel.from_pretrained(tiny_checkpoint("clip"))
    merged = PeftModel.from_pretrained(plain, tmp_path / "out" / "adapter").merge_and_unload().state_dict()
    saved, changed = load_file(found.folder / "model.safetensors"), 0
    for name, tensor in saved.items():
        if name != "logit_scale":
            torch.testing.assert_close(merged[name], tensor, atol=1e-6, rtol=0, msg=name)
    original = CLIPModel.from_pretrained(tiny_checkpoint("clip")).state_dict()
    changed = sum(not torch.equal(original[name], tensor) for name, tensor in saved.items() if "q_proj.weight" in name)
    assert changed == 4  # two blocks of two towers


def test_every_language_has_a_proof_of_its_own(encoder: Encoder, tmp_path: Path) -> None:
    images = list(pairs(5, start=30).images)
    tests = [gallery(images, [[f"{word} {i}"] for i in range(5)], name=word) for word in ("um", "one")]
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=tests)
    assert [proof.name for proof in found.proofs] == ["um", "one"]
    assert found.proofs[0].before.dataset["fingerprint"] != found.proofs[1].before.dataset["fingerprint"]


def test_an_equal_caption_alone_is_a_leak() -> None:
    data = pairs(12)
    test = gallery(list(pairs(4, start=30).images), [[data.texts[3]], ["x"], ["y"], ["z"]], name="test")
    parts = apart(data, None, [test], False, 0)
    assert parts.n_leaked == 1
    assert data.texts[3] not in (*parts.train.texts, *parts.validation.texts)


def test_what_is_saved_is_the_chosen_mixture(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[Any, Any]] = []

    def spied(model: Any, before: Any, after: Any, measured_on: Any) -> list[Point]:
        ends.append((before, after))
        return [Point(alpha, {"validation": 0.9 if alpha == 0.4 else 0.1}) for alpha in (0.0, 0.4, 1.0)]

    monkeypatch.setattr(module, "curve", spied)
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=QUICK, test=pairs(4, start=30, name="test"))
    assert found.chosen.alpha == 0.4
    saved, ((before, after),) = load_file(tmp_path / "out" / "model" / "model.safetensors"), ends
    assert any(not torch.equal(before[name], after[name]) for name in before)
    for name, tensor in saved.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.6 * before[name] + 0.4 * after[name], atol=1e-6), name
    (proof,) = found.proofs
    assert proof.after.encoder["fingerprint"] == found.encoder.spec.fingerprint != encoder.spec.fingerprint
    assert proof.before.encoder["fingerprint"] == encoder.spec.fingerprint


class Killed(Exception):
    """What a test stops a training with."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def test_other_parts_are_another_training(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures near those of the test part leave training only where near ones are looked for."""
    test, how = pairs(4, start=30, name="test"), replace(QUICK, method="head")
    copy = Held("copy", painting(30, 40).resize((50, 50)))
    data = gallery([copy, *pairs(20).images], [["w"], *([text] for text in pairs(20).texts)])
    monkeypatch.setattr(Training, "run", killed)
    with pytest.raises(Killed):
        finetune(encoder, data, out=tmp_path / "out", recipe=how, test=test, near=False)
    (tmp_path / "out" / "training").mkdir()
    with pytest.raises(ConfigError, match="holds a training of other data"):
        finetune(encoder, data, out=tmp_path / "out", recipe=how, test=test, near=True)
    plan = Plan.of
    monkeypatch.setattr(Plan, "of", lambda *given: replace(plan(*given), parts=other))
    other = apart(pairs(12), None, [], False, 0)
    with pytest.raises(ConfigError, match="holds a training of other data"):
        finetune(encoder, data, out=tmp_path / "out", recipe=how, test=test, near=False)


def test_features_are_of_the_pictures_that_are_learnt_from(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    ours = opened(tiny_checkpoint("clip"))
    first, second = (training(ours, pairs(6, start=start), tmp_path / "training", method="head") for start in (0, 6))
    seen = [one._features("image") for one in (first, second)]
    for one, found in zip((first, second), seen, strict=True):
        np.testing.assert_allclose(found, features(ours, one.dataset, "image"), atol=1e-6)
    for path in (tmp_path / "training").glob("features-*"):
        np.save(path, seen[0][:3])
    np.testing.assert_allclose(first._features("image"), seen[0], atol=1e-6)


@pytest.mark.parametrize(
    "recipe",
    [{}, {"method": "lora", "micro_batch": 4}, {"method": "head"}, {"method": "lit", "hard_negatives": True}],
)
def test_a_prediction_leaves_no_trace(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, recipe: dict[str, Any]
) -> None:
    """The same training, with and without a rehearsal before it."""
    checkpoint, data = tiny_checkpoint("clip"), pairs(12)
    ends = []
    for rehearsed in (False, True):
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        if rehearsed:
            with scratch() as folder:
                probe = training(opened(checkpoint, dropout=0.2), data, folder, **recipe)
                found = predict(probe, Work([data], [data]), Prices(1.0))
            assert found.seconds == pytest.approx(sum(found.seconds_by_part.values()))
            assert found.seconds_by_part["steps"] > 0
            assert (found.seconds_by_part["features"] > 0) == bool(probe.recipe.cached)
            assert (found.seconds_by_part["mining"] > 0) == probe.recipe.hard_negatives
            assert not folder.exists()
        draws = (float(torch.rand(())), random.random(), float(np.random.random()))  # noqa: NPY002
        trained = training(opened(checkpoint, dropout=0.2), data, tmp_path / str(rehearsed) / "training", **recipe)
        ends.append((draws, trained.run()))
    assert ends[0][0] == ends[1][0]
    assert max(differences(ends[0][1], ends[1][1]).values()) == 0


def test_what_a_prediction_says() -> None:
    shown = str(Prediction(720, {}, 300, 1126.4, 0.02, 0.108, "cpu", -0.2))
    assert shown == (
        "about 12 minutes, 1.1 GiB of memory for the whole process, 0.020 USD, 0.108 BRL (the last run on this "
        "device took 20 % less than predicted)"
    )
    said = Prediction(720, {}, 300, 1126.4, 0.001, None, "cpu", -0.2).said("pt-BR")
    assert said.startswith("cerca de 12 minutos, 1,1 GiB de memória do processo inteiro, 0,001 USD (")
    assert "USD" not in str(Prediction(7200, {}, 300, 200, None, None, "cpu", None))


def test_last_off_is_of_this_device_and_of_finished_runs() -> None:
    assert last_off("cpu") is None
    for device, status, actual in (("cpu", None, 110.0), ("NVIDIA L4", None, 500.0), ("cpu", ValueError("x"), 900.0)):
        try:
            with entered("finetune", {}, device="cpu", prices=Prices()) as run:
                run.meter.device = device
                run.facts.update(predicted_s=100.0, actual_s=actual)
                if status:
                    raise status
        except ValueError:
            pass
    with entered("rerank", {}, device="cpu", prices=Prices()) as run:  # whose predictions are another matter
        run.facts.update(predicted_s=100.0, actual_s=700.0)
    assert last_off("cpu") == pytest.approx(0.1)
    assert last_off("NVIDIA L4") == pytest.approx(4.0)


def test_relevance_is_a_column(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pairs(12)
    columns = {"stars": [float(i % 4) for i in range(12)], "word": ["x"] * 12, "none": [0] * 12}
    told = replace(data, rows=pa.table(columns))
    np.testing.assert_allclose(relevance_of(told, "stars"), np.arange(12) % 4 / 1.5)
    with pytest.raises(ConfigError, match=r"no column 'star' for the relevance. Did you mean stars"):
        relevance_of(told, "star")
    with pytest.raises(DatasetError, match="that of picture 0 is not"):
        relevance_of(told, "word")
    with pytest.raises(DatasetError, match="all are 0"):
        relevance_of(told, "none")
    seen: list[Any] = []

    def spied(self: Any) -> None:
        seen.append(self.weights)
        raise Killed

    monkeypatch.setattr(Training, "run", spied)
    with pytest.raises(Killed):
        finetune(encoder, told, out=tmp_path / "out", recipe=replace(QUICK, relevance="stars"))
    (weights,) = seen
    assert sorted({round(float(w / weights[weights > 0].min()), 4) for w in weights}) == [0, 1, 2, 3]


def test_logs_for_others(encoder: Encoder, tmp_path: Path) -> None:
    """TensorBoard's files have the recalls, and stay when the training's own files go."""
    found = finetune(encoder, pairs(12), out=tmp_path / "out", recipe=replace(QUICK, log_to=("tensorboard",)))
    (events,) = (tmp_path / "out" / "logs").rglob("events.out.tfevents.*")
    assert b"eval/recall" in events.read_bytes()
    assert b"train/loss" in events.read_bytes()
    assert found.to_dict()["recipe"]["log_to"] == ["tensorboard"]
    with pytest.raises(ConfigError, match=r"unknown logger 'tensorbord'. Did you mean tensorboard"):
        finetune(encoder, pairs(12), out=tmp_path / "2", recipe=replace(QUICK, log_to=("tensorbord",)))
    with pytest.raises(ConfigError, match="pip install comet_ml"):
        finetune(encoder, pairs(12), out=tmp_path / "2", recipe=replace(QUICK, log_to=("comet_ml",)))
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize(
    ("asked", "precision", "recipe", "message"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "float32", {}, "DeepSpeed is not used here: launch without it"),
        ({"ACCELERATE_USE_FSDP": "1", "FSDP_OFFLOAD_PARAMS": "true"}, "float32", {}, "launch without --fsdp_offload"),
        ({"ACCELERATE_USE_FSDP": "true"}, "float32", {"text_negatives": True}, "text_negatives are found for some"),
        ({"ACCELERATE_USE_FSDP": "1"}, "float16", {}, "float16 and FSDP do not go together"),
    ],
)
def test_what_a_launcher_asks_for_and_is_not_done(
    encoder: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
    precision: Any,
    recipe: dict[str, Any],
    message: str,
) -> None:
    for name, value in {**asked, "LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        finetune(encoder, pairs(12), out=tmp_path / "out", recipe=replace(QUICK, precision=precision, **recipe))
    assert {name: os.environ.get(name) for name in asked} == asked  # others see again what was asked for


def test_one_process_has_nothing_to_share_a_model_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert not processes.shares_weights()


def test_only_we_see_that_a_model_is_to_be_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCELERATE_USE_FSDP": "true", "LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with processes.shared_by_ourselves():
        assert "ACCELERATE_USE_FSDP" not in os.environ
        with processes.shared_by_ourselves():
            assert processes.shares_weights()
        assert processes.shares_weights()
    assert os.environ["ACCELERATE_USE_FSDP"] == "true"
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    assert not processes.shares_weights()
