"""The training loop: exact gradients whatever fits into memory, the right parts trained, nothing lost on the way."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from luneta.encoders import precision
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError, TrainingError
from luneta.finetuning import trainer as module
from luneta.finetuning.batches import Pair
from luneta.finetuning.keeping import BEST, last_checkpoint
from luneta.finetuning.trainer import ContrastiveTrainer, Outputs, split
from luneta.finetuning.training import Training
from luneta.losses import Relations
from paintings import gallery
from tuning import differences, opened, pairs, swappable, training

FAMILIES = ("clip", "siglip", "siglip2-naflex", "chinese_clip")
Make = Callable[..., Training]


@pytest.fixture
def make(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Make:
    """make(family, data, dropout=..., **recipe) -> a training in a folder of its own."""
    made = [0]

    def one(family: str, data: Any = None, *, dropout: float = 0.0, **recipe: Any) -> Training:
        made[0] += 1
        folder = tmp_path / str(made[0]) / "training"
        return training(opened(tiny_checkpoint(family), dropout=dropout), data or swappable(), folder, **recipe)

    return one


_open = contextlib.ExitStack()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    _open.close()


def loop(found: Training) -> ContrastiveTrainer:
    """Its trainer, ready for a step; the training ends with the test."""
    return _open.enter_context(found.prepared())[0]


def gradients(trainer: ContrastiveTrainer, batch: Any) -> dict[str, torch.Tensor]:
    """After one step's backward pass, random numbers as after seed 5."""
    trainer.model.zero_grad()
    torch.manual_seed(5)
    trainer.training_step(trainer.model, batch)
    return {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


def assert_equal_gradients(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    largest = max(float(gradient.abs().max()) for gradient in first.values())
    assert max(differences(first, second).values()) < 1e-6 * max(1.0, largest)
    assert largest > 1e-3


@pytest.mark.parametrize("family", [*FAMILIES, "align"])
@pytest.mark.parametrize("micro_batch", [1, 3])
def test_parts_have_the_gradients_of_the_whole(make: Make, family: str, micro_batch: int) -> None:
    """InfoNCE and sigmoid, with swapped captions as further negatives."""
    trainer = loop(make(family, text_negatives=True, batch_size=11))
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    assert len(batch["negatives"]) == 7
    whole = gradients(trainer, batch)
    trainer.micro_batch = micro_batch
    assert_equal_gradients(whole, gradients(trainer, batch))
    assert any("logit_scale" in name or name.endswith("temperature") for name in whole)
    assert any("logit_bias" in name for name in whole) == family.startswith("siglip")


def test_no_more_than_a_part_of_one_tower_is_made_ready(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large batch pictures wait as bytes: floats of all of them would be the most that is held."""
    found = make("clip", text_negatives=True, batch_size=11, micro_batch=4)
    trainer = loop(found)
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    assert {row.dtype for row in batch["images"].rows} == {np.dtype(np.uint8)}
    made: list[tuple[str, int]] = []
    read: list[list[str]] = []
    for name in ("image_inputs", "text_inputs"):
        make_ready = getattr(found.trainable, name)

        def counted(rows: Any, name: str = name, make_ready: Any = make_ready) -> Any:
            made.append((name, len(rows)))
            return make_ready(rows)

        monkeypatch.setattr(found.trainable, name, counted)
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    assert not made
    forward = module.Student.forward
    monkeypatch.setattr(module.Student, "forward", lambda self, **i: read.append([*i]) or forward(self, **i))
    trainer.training_step(trainer.model, batch)
    assert [n for name, n in made if name == "image_inputs"] == [1, 2, 2, 2, 2, 2] * 2
    assert [n for name, n in made if name == "text_inputs"] == [1, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 2] * 2
    assert read[:18] == [["images"]] * 6 + [["texts"]] * 6 + [["negatives"]] * 6 == read[18:]


@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_dropout_is_the_same_in_both_passes(make: Make, family: str) -> None:
    """Against parts that are all kept in memory, joined, and led through one loss."""
    trainer = loop(make(family, dropout=0.3, text_negatives=True, batch_size=11, micro_batch=4))
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    ours = gradients(trainer, batch)
    state = torch.get_rng_state()

    trainer.model.zero_grad()
    torch.manual_seed(5)
    found: Outputs = {}
    for name, rows in split(batch, 2):
        vectors = trainer.model(**{name: rows.ready()})[name]
        found[name] = torch.cat([found.get(name, vectors[:0]), vectors])
    relations = Relations(*(batch["relations"][name] for name in ("texts", "images", "groups")))
    towers = trainer.model.towers
    temperature = {"scale": towers.scale, "bias": towers.bias}
    found |= {name: value for name, value in temperature.items() if value is not None}
    trainer._loss(found, relations).backward()  # type: ignore[no-untyped-call]
    naive = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    assert_equal_gradients(naive, ours)
    assert any("logit_scale" in name for name in ours)
    assert torch.equal(torch.get_rng_state(), state)  # what comes next draws what it would have drawn

    trainer.micro_batch = 11
    assert max(differences(gradients(trainer, batch), ours).values()) > 1e-4  # other masks: dropout there is


def out_of_memory_once(monkeypatch: pytest.MonkeyPatch, at: int, error: Exception) -> list[int]:
    """Student.forward fails at its call of that number; the sizes it was called with."""
    sizes: list[int] = []
    forward = module.Student.forward

    def failing(self: Any, **inputs: Any) -> Any:
        sizes.append(max(len(next(iter(read.values()))) for read in inputs.values()))
        if len(sizes) == at:
            raise error
        return forward(self, **inputs)

    monkeypatch.setattr(module.Student, "forward", failing)
    return sizes


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 GB")]
)
def test_out_of_memory_halves_the_parts_and_the_step_is_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    calm = loop(make("clip", dropout=0.3, batch_size=11, micro_batch=2))
    batch = calm.train_dataset.__getitems__(next(iter(calm.plan)))
    expected = gradients(calm, batch)
    short = loop(make("clip", dropout=0.3, batch_size=11, micro_batch=5))
    sizes = out_of_memory_once(monkeypatch, 14, error)  # six parts of two towers without gradients come before
    assert max(differences(expected, gradients(short, batch)).values()) == 0
    assert short.micro_batch == 2
    assert (max(sizes[:14]), max(sizes[14:])) == (2, 1)
    assert "out of memory: going on with micro_batch=2" in caplog.text


def test_other_errors_and_single_pairs_are_not_tried_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = loop(make("clip", micro_batch=1))
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    out_of_memory_once(monkeypatch, 1, torch.OutOfMemoryError("CUDA"))
    with pytest.raises(torch.OutOfMemoryError):
        trainer.training_step(trainer.model, batch)
    monkeypatch.undo()
    trainer.micro_batch = 4
    out_of_memory_once(monkeypatch, 1, RuntimeError("shapes"))
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.training_step(trainer.model, batch)


def test_no_number_stops_and_the_best_weights_stay(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make("clip", pairs(8), steps=8, validations=4, batch_size=8)
    objective, calls = module.ContrastiveTrainer._loss, [0]

    def failing(self: Any, outputs: Any, relations: Any) -> torch.Tensor:
        calls[0] += 1
        loss = objective(self, outputs, relations)
        return loss * math.nan if calls[0] == 6 else loss

    monkeypatch.setattr(module.ContrastiveTrainer, "_loss", failing)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 6, in the batch that begins with \['a "):
        found.run()
    kept = last_checkpoint(found.folder)
    assert kept is not None
    assert kept.name == "checkpoint-4"
    for path in (found.folder / BEST, kept / "model.safetensors"):
        assert all(bool(tensor.isfinite().all()) for tensor in load_file(path).values())


def test_lower_blocks_learn_slower(make: Make) -> None:
    trainer = loop(make("clip", layer_decay=0.5, learning_rate=1e-4, weight_decay=0.1))
    optimizer = trainer.create_optimizer()
    names = {id(parameter): name for name, parameter in trainer.model.model.named_parameters()}
    rates, decays = {}, {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            rates[names[id(parameter)]] = group["lr"] / 1e-4
            decays[names[id(parameter)]] = group["weight_decay"]
    assert len(rates) == len(names)
    expected = {
        "text_projection.weight": 1, "visual_projection.weight": 1, "logit_scale": 1,
        "vision_model.post_layernorm.weight": 1, "text_model.encoder.layers.1.mlp.fc1.weight": 0.5,
        "vision_model.encoder.layers.0.self_attn.q_proj.bias": 0.25,
        "text_model.embeddings.token_embedding.weight": 0.125,
    }  # fmt: skip
    assert {name: rates[name] for name in expected} == expected
    assert decays["text_projection.weight"] == 0.1
    assert decays["logit_scale"] == decays["vision_model.encoder.layers.0.self_attn.q_proj.bias"] == 0


METHODS: dict[str, dict[str, Any]] = {
    "full": {"method": "full"},
    "lora": {"method": "lora", "rank": 2},
    "lit": {"method": "lit", "locked": "image"},
    "lit-text": {"method": "lit", "locked": "text"},
    "head": {"method": "head"},
}
MAY_CHANGE: dict[str, set[str]] = {
    "full": {"image", "text", "image_head", "text_head", "temperature"},
    "lora": {"image", "text", "temperature"},
    "lit": {"text", "text_head", "temperature"},
    "lit-text": {"image", "image_head", "temperature"},
    "head": {"image_head", "text_head", "temperature"},
}


@pytest.mark.parametrize(
    ("method", "family"),
    [*(("full", family) for family in FAMILIES), *(("lora", family) for family in FAMILIES), ("lit", "clip"),
     ("lit", "siglip2-naflex"), ("lit-text", "siglip"), ("lit-text", "chinese_clip"),
     ("head", "clip"), ("head", "siglip")],
)  # fmt: skip
def test_only_the_parts_of_the_method_change_and_what_is_saved_is_what_was_trained(
    make: Make, family: str, method: str, tmp_path: Path
) -> None:
    data = pairs(10)
    found = make(family, data, learning_rate=2e-3, warmup=0, **METHODS[method])
    towers = found.trainable.towers
    before = {name: tensor.clone() for name, tensor in found.trainable.model.state_dict().items()}
    after = found.run()
    changed = {towers.part_of(name) for name, size in differences(before, after).items() if size}
    expected = MAY_CHANGE[method] - ({"image_head"} if family.startswith("siglip") else set())
    assert changed == expected
    if method == "lora":
        moved = [name for name, size in differences(before, after).items() if size and "logit" not in name]
        assert sorted(moved) == sorted(f"{name}.weight" for name in towers.attention_layers(("image", "text")))

    best = max(entry["recall"] for entry in found.history if "recall" in entry)
    assert found.validation()["recall"] == best  # merged, as it was measured unmerged

    from transformers import AutoModel

    found.trainable.save(tmp_path / "saved", after, "card")
    vectors = found.trainable.encoder()
    again = load_encoder(str(tmp_path / "saved"), dtype="float32", device="cpu")
    pictures = [ref.open() for ref in data.images[:3]]
    np.testing.assert_allclose(again.encode_images(pictures), vectors.encode_images(pictures), atol=1e-6)
    np.testing.assert_allclose(again.encode_texts(data.texts[:3]), vectors.encode_texts(data.texts[:3]), atol=1e-6)
    model = AutoModel.from_pretrained(tmp_path / "saved")
    loaded = model.state_dict()
    assert all(torch.equal(loaded[name], after[name]) for name in after if name in loaded)
    assert set(loaded) <= set(after) | {name for name in loaded if "position_ids" in name}


def test_merged_additions_are_those_that_were_trained(make: Make) -> None:
    found = make("clip", pairs(10), method="lora", rank=2, learning_rate=5e-3, steps=2, validations=1)
    trainer = loop(found)
    trainer.train()
    model = found.trainable.model
    data = pairs(4)
    encode = found.trainable.encoder
    unmerged = encode().encode_texts(data.texts), encode().encode_images([ref.open() for ref in data.images])
    from peft.tuners.lora import LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    assert len(layers) == 2 * 2 * 4  # towers, blocks, layers of each
    for layer in layers:
        layer.merge()
    merged = encode().encode_texts(data.texts), encode().encode_images([ref.open() for ref in data.images])
    for a, b in zip(merged, unmerged, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_gradient_checkpointing_changes_nothing_but_memory(make: Make, family: str) -> None:
    plain, frugal = (loop(make(family, dropout=0.2, checkpointing=on, micro_batch=4)) for on in (False, True))
    batch = plain.train_dataset.__getitems__(next(iter(plain.plan)))
    found, calls = gradients(plain, batch), []
    blocks = frugal.model.model.vision_model.encoder.layers
    blocks[0].self_attn.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    assert_equal_gradients(found, gradients(frugal, batch))
    n_parts = sum(name == "images" for name, _ in split(batch, 2))
    assert len(calls) == 3 * n_parts  # for the vectors, and in the second pass again for the gradients


def test_patience_ends_early_and_the_last_step_is_validated(make: Make) -> None:
    found = make("clip", pairs(8), steps=20, validations=20, patience=2, learning_rate=1e-7, batch_size=8)
    found.run()
    assert found.n_done == 3  # 1 is the best, 2 and 3 are not better
    odd = make("clip", pairs(8), steps=5, validations=2, batch_size=8)
    odd.run()
    assert [entry["step"] for entry in odd.history if "recall" in entry] == [2, 4, 5]
    assert [odd.recipe.n_validations(n) for n in (1, 4, 5)] == [1, 2, 3]


def test_the_average_is_what_is_validated_and_kept(make: Make) -> None:
    plain, averaged = (make("clip", pairs(8), ema=ema, learning_rate=2e-3, steps=6, warmup=0) for ema in (None, 0.5))
    first, second = plain.run(), averaged.run()
    assert max(differences(first, second).values()) > 1e-4
    best = max(entry["recall"] for entry in averaged.history if "recall" in entry)
    assert averaged.validation()["recall"] == best


def test_what_does_not_fit_the_checkpoint_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="the sigmoid loss needs a bias"):
        make("clip", loss="sigmoid")
    with pytest.raises(ConfigError, match=r"dims are \[400\], and the vectors have 24 numbers"):
        make("clip", dims=(400,))
    with pytest.raises(ConfigError, match="no attention that low-rank"):
        make("align", method="lora").run()
    with pytest.raises(ConfigError, match="patches cannot be dropped in a siglip2 model"):
        make("siglip2-naflex", drop_patches=0.5).run()


def test_the_model_is_trained_where_the_encoder_computes(tiny_checkpoint: Callable[[str], Path]) -> None:
    encoder: Any = load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")
    encoder._device = torch.device("meta")
    assert {tensor.device.type for tensor in encoder.trainable().model.state_dict().values()} == {"meta"}


@pytest.mark.parametrize(("family", "start", "limit"), [("siglip", 117.33, None), ("clip", 117.33, 117.33),
                                                        ("clip", 99.9, 100.0)])  # fmt: skip
def test_the_scale_is_never_lowered_and_held_below_a_limit_where_it_has_one(
    make: Make, family: str, start: float, limit: float | None
) -> None:
    found = make(family, pairs(8), steps=1, validations=1, learning_rate=1e-7)
    towers = found.trainable.towers
    with torch.no_grad():
        found.trainable.model.get_parameter("logit_scale").fill_(math.log(start))
    trainer = loop(found)
    (held,) = (one for one in trainer.callback_handler.callbacks if isinstance(one, module.TemperatureLimit))
    held.on_step_end(None, None, None)
    assert float(towers.scale.detach()) == pytest.approx(start)
    with torch.no_grad():
        found.trainable.model.get_parameter("logit_scale").fill_(math.log(300))
    held.on_step_end(None, None, None)
    assert float(towers.scale.detach()) == pytest.approx(limit or 300)


def test_equal_things_have_not_collapsed(make: Make) -> None:
    """Only what differs in group, caption and picture is expected to have vectors that differ."""
    data = pairs(8)
    few = gallery(list(data.images), [["a cat"]] * 6 + [["a dog"], ["a car"]])
    trainer = loop(make("clip", few, groups=[0] * 6 + [1, 2]))
    batch = trainer.train_dataset.__getitems__([Pair(i, i, 0) for i in range(8)])
    vectors = torch.nn.functional.normalize(torch.randn(8, 24, generator=torch.Generator().manual_seed(0)), dim=1)
    vectors[:6] = vectors[0]
    relations = trainer._relations(batch["relations"])
    outputs = {"images": vectors, "texts": vectors, "scale": torch.tensor(10.0)}
    trainer._watch(outputs, torch.tensor(1.0), batch, relations)
    cosines = vectors @ vectors.T
    expected = [float(cosines[i, j]) for i in range(8) for j in range(i) if j >= 6 or i >= 6]
    assert trainer.facts is not None
    assert trainer.facts.mean_cosine == pytest.approx(np.mean(expected), abs=1e-6)
    batch["relations"]["groups"] = torch.tensor([0] * 7 + [0])
    trainer._watch(outputs, torch.tensor(1.0), batch, relations)
    assert trainer.facts.mean_cosine is None


@pytest.mark.parametrize("computed", [True, False])
def test_auto_precision_is_what_the_device_computes(
    make: Make, monkeypatch: pytest.MonkeyPatch, computed: bool
) -> None:
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: computed)
    found = make("clip", pairs(8), steps=2, precision="auto")
    trainer = loop(found)
    assert (trainer.args.bf16, trainer.args.fp16) == (computed, False)
    batch = trainer.train_dataset.__getitems__(next(iter(trainer.plan)))
    kinds: list[torch.dtype] = []
    found.trainable.model.visual_projection.register_forward_hook(lambda m, i, out: kinds.append(out.dtype))
    trainer.training_step(trainer.model, batch)
    assert kinds == [torch.bfloat16 if computed else torch.float32]


def test_dropped_patches_train(make: Make) -> None:
    found = make("clip", pairs(8), drop_patches=0.5, steps=2)
    assert all(bool(tensor.isfinite().all()) for tensor in found.run().values())


@pytest.mark.parametrize("recipe", [{"steps": 4, "batch_size": 3}, {"steps": 20, "validations": 20, "patience": 2}])
def test_killed_after_the_last_step_it_does_not_go_further(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, recipe: dict[str, Any]
) -> None:
    """What was left were mixtures and proof; a step more would give other weights."""
    ends = []
    for _ in range(2):
        found = training(opened(tiny_checkpoint("clip")), pairs(8), tmp_path / "training", learning_rate=1e-6, **recipe)
        weights = found.run()
        ends.append((found.n_done, [entry["recall"] for entry in found.history if "recall" in entry], weights))
    assert ends[0][:2] == ends[1][:2]
    assert max(differences(ends[0][2], ends[1][2]).values()) == 0
    assert ends[0][0] == (4 if recipe["steps"] == 4 else 3)
