"""load_cross_encoder: what a name may be, and what is said when it is none."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import luneta
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ConfigError, EncoderError
from luneta.types import CrossEncoder, Encoder, Matcher
from paintings import painting

MakeCheckpoint = Callable[[str], Path]


def load(folder: Path, **options: Any) -> Any:
    return load_cross_encoder(folder, **{"dtype": "float32", "device": "cpu", **options})


def test_what_it_is(tiny_checkpoint: MakeCheckpoint) -> None:
    matcher = load(tiny_checkpoint("blip2"), weight=0.05, counts="logit")
    assert isinstance(matcher, CrossEncoder)
    assert isinstance(matcher, Matcher)
    assert not isinstance(matcher, Encoder)
    assert (matcher.name, matcher.kind) == (str(tiny_checkpoint("blip2")), "itm")
    assert matcher.fingerprint == matcher.spec.fingerprint
    assert matcher.options == {"weight": 0.05, "counts": "logit"}
    assert load_cross_encoder(matcher) is matcher
    assert luneta.load_cross_encoder is load_cross_encoder


def test_whatever_decides_a_score_is_in_the_fingerprint(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    folder = tiny_checkpoint("blip2")
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    weights = load_file(changed / "model.safetensors")
    weights["itm_head.bias"] = weights["itm_head.bias"] + 0.5
    save_file(weights, changed / "model.safetensors", {"format": "pt"})
    ways: list[Any] = [
        load(folder), load(folder, weight=0.5), load(folder, counts="logit"), load(folder, dtype="bfloat16"),
        load(changed),
    ]  # fmt: skip
    assert len({way.fingerprint for way in ways}) == len(ways)
    assert load(folder).fingerprint == ways[0].fingerprint


def test_in_bfloat16_scores_are_nearly_the_same(tiny_checkpoint: MakeCheckpoint) -> None:
    """The tower's products are rounded; the Q-Former's are not."""
    exact, rounded = (load(tiny_checkpoint("blip2"), dtype=dtype) for dtype in ("float32", "bfloat16"))
    texts = ["a red boat", "an old man", "a yellow house at night"]
    scores = [
        model.score(model.read(texts), model.look([model.prepare_image(painting(i)) for i in range(3)]))
        for model in (exact, rounded)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.1)
    assert (scores[0] != scores[1]).all()
    np.testing.assert_array_equal(exact.encode_texts(texts), rounded.encode_texts(texts))


def test_nothing_to_score(tiny_checkpoint: MakeCheckpoint) -> None:
    matcher = load(tiny_checkpoint("blip2"))
    assert matcher.score([], []).shape == (0,)
    assert matcher.look([]) == matcher.read([]) == []


def test_options_that_do_not_exist(tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint("blip2")
    with pytest.raises(ConfigError, match=r"unknown counts 'logits'. Did you mean logit"):
        load(folder, counts="logits")
    for weight in (-1.0, float("nan"), "1", True):
        with pytest.raises(ConfigError, match="expected how much matching counts"):
            load(folder, weight=weight)
    with pytest.raises(ConfigError, match="is a folder and has no revisions"):
        load(folder, revision="main")


def test_models_of_the_other_kind(tiny_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(EncoderError, match=r"no one vector for a picture, so it is no encoder.*luneta rerank fit"):
        luneta.load_encoder(tiny_checkpoint("blip2"))
    with pytest.raises(EncoderError, match="a clip model has vectors of texts and of pictures"):
        load(tiny_checkpoint("clip"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("pictures", r"a picture has 5 tokens, and the model positions for 17"),
        ("weights", "1 weights that config.json asks for are missing"),
        ("texts", "its tokenizer has .* tokens, but the model embeds only"),
    ],
)
def test_damaged_checkpoints(damage: str, message: str, tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint("blip2"), folder)
    if damage == "pictures":
        processor = folder / "preprocessor_config.json"
        said = json.loads(processor.read_text())
        processor.write_text(json.dumps({**said, "size": {"height": 16, "width": 16}}))
    elif damage == "weights":
        weights = load_file(folder / "model.safetensors")
        del weights["itm_head.bias"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    else:
        config = json.loads((folder / "config.json").read_text())
        config["qformer_config"]["vocab_size"] -= 40
        config["image_token_index"] = None
        (folder / "config.json").write_text(json.dumps(config))
        weights = load_file(folder / "model.safetensors")
        name = "embeddings.word_embeddings.weight"
        weights[name] = weights[name][:-40].contiguous()
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=message):
        load(folder)


MODULE = """
class Mine:
    name, fingerprint = "mine", ""

    def score(self, texts, pictures):
        return [0.0] * len(texts)


class Half:
    name = "half"
"""


def test_objects_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crossers.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_cross_encoder("crossers:Mine").score(["a"], [None]) == [0.0]
    mine: Any = sys.modules["crossers"].Mine()
    assert load_cross_encoder(mine) is mine
    for name in ("crossers:Half", sys.modules["crossers"].Half()):
        with pytest.raises(EncoderError, match="is no cross-encoder: it has no fingerprint, score"):
            load_cross_encoder(name)
    with pytest.raises(ConfigError, match="Did you mean Mine"):
        load_cross_encoder("crossers:Mina")
    with pytest.raises(ConfigError, match="dtype='float32' cannot be given"):
        load_cross_encoder("crossers:Mine", dtype="float32")
    with pytest.raises(ConfigError, match=r"weight=0.5 cannot be given"):
        load_cross_encoder(mine, weight=0.5)
