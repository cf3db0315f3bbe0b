"""Text towers as ONNX: the same tokens and the same vectors as the encoder, or no tower."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import checkpoints
from checkpoints import FAMILIES, random_texts
from luneta import load_encoder
from luneta.encoders import exporting
from luneta.encoders.exporting import OpenedTextTower, awkward_texts, export_text_tower
from luneta.encoders.light import MODEL, PIECES, RECORD, TOKENIZER, LightTextEncoder
from luneta.errors import ConfigError, EncoderError
from luneta.types import EncoderSpec, Vectors

MODELS = tuple(family for family in FAMILIES if family != "siglip2")  # whose text tower is siglip's, token for token
OTHER_TEXTS = [*checkpoints.sentences(), "uma casa", "x" * 400, "A BLUE BICYCLE, one big cat!", "", "房子"]


# -- the same as the encoder -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", MODELS)
def test_a_tower_gives_the_encoder_s_vectors(family: str, exported: Callable[[str], Any]) -> None:
    made = exported(family)
    light = LightTextEncoder.load(made.folder)

    together = light.encode_texts(OTHER_TEXTS)
    alone = np.concatenate([light.encode_texts([text]) for text in OTHER_TEXTS[:8]])

    expected = made.encoder.encode_texts(OTHER_TEXTS)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, expected, atol=2e-6)
    np.testing.assert_allclose(alone, expected[:8], atol=2e-6)
    assert np.abs(expected - expected[0]).max() > 0.1, "the texts are told apart"


@pytest.mark.parametrize("family", MODELS)
def test_a_tower_reads_the_encoder_s_tokens(family: str, exported: Callable[[str], Any]) -> None:
    made = exported(family)
    light = LightTextEncoder.load(made.folder)
    special = made.encoder.anatomy()._tokenizer.all_special_tokens
    texts = [*random_texts(special), *awkward_texts(special)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an end token in a text
        expected = made.encoder.trainable().token_ids(texts)
        n_cut = made.encoder.n_truncated(texts)

    assert light.token_ids(texts) == expected
    assert light.n_truncated(texts) == n_cut > 0


def test_the_record_says_whose_tower_it_is_and_how_it_reads(exported: Callable[[str], Any]) -> None:
    clip, siglip, align = exported("clip"), exported("siglip"), exported("align")

    for made in (clip, siglip, align):
        expected = replace(made.encoder.spec, name=Path(made.encoder.spec.name).name, details={})
        assert made.record.encoder == expected  # of its folder the name alone: nothing of the machine
        assert made.record.parity.n_texts == 1 + len(
            awkward_texts(made.encoder.anatomy()._tokenizer.all_special_tokens)
        )
        assert 0 < made.record.parity.largest_difference < 1e-5
        assert made.record.parity.smallest_cosine == 1

    assert (clip.record.texts.context, clip.record.texts.pads_to_context) == (checkpoints.TEXT_LENGTH, False)
    assert (siglip.record.texts.lowers, siglip.record.texts.pads_to_context) == (True, True)
    assert (clip.record.texts.masks_padding, align.record.texts.masks_padding) == (False, True)
    assert sorted(path.name for path in clip.folder.iterdir()) == sorted([MODEL, TOKENIZER, RECORD])
    assert sorted(path.name for path in siglip.folder.iterdir()) == sorted([MODEL, PIECES, RECORD])


def test_an_export_in_another_process_is_silent_and_leaves_the_same_file(
    tiny_checkpoint: Callable[[str], Path], exported: Callable[[str], Any], tmp_path: Path
) -> None:
    """From the encoder in bfloat16: the weights are float32 all the same, and both distances are told."""
    program = (
        "import sys, luneta\n"
        "from luneta.encoders.exporting import export_text_tower\n"
        "encoder = luneta.load_encoder(sys.argv[1], dtype='bfloat16', device='cpu')\n"
        "print('exporting', file=sys.stderr)\n"
        "export_text_tower(encoder, sys.argv[2], check=['a red boat'])\n"
    )
    folder = tmp_path / "tower"

    done = subprocess.run(
        [sys.executable, "-c", program, tiny_checkpoint("clip"), folder], capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert done.stderr.partition("exporting\n")[2] == ""
    for name in (MODEL, TOKENIZER):
        assert (folder / name).read_bytes() == (exported("clip").folder / name).read_bytes()
    assert b"site-packages" not in (folder / MODEL).read_bytes()
    record = LightTextEncoder.load(folder).record
    assert record.encoder.dtype == "bfloat16"
    assert record.parity.largest_difference < 1e-5 < 1e-4 < record.parity.used_largest_difference
    assert 0.99 < record.parity.used_smallest_cosine < 1


# -- refused ---------------------------------------------------------------------------------------------------


def test_a_tower_with_other_weights_is_refused_and_the_old_one_stays(
    exported: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = exported("clip")

    def other(tower: OpenedTextTower, path: Path) -> None:
        _with_changed_weights(made.folder / MODEL, path, lambda weight: weight + 0.01)

    monkeypatch.setattr(exporting, "_write_model", other)
    folder = tmp_path / "tower"
    folder.mkdir()
    (folder / "old").write_text("old")

    with pytest.raises(EncoderError, match=r"cannot be exported: a number of a vector differs by 0\.0"):
        export_text_tower(made.encoder, folder, check=[])

    assert [path.name for path in tmp_path.rglob("*")] == ["tower", "old"]


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_tokenizer_that_reads_otherwise_is_refused(
    family: str, exported: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = exported(family)
    monkeypatch.setattr(exporting, "_write_model", lambda tower, path: shutil.copyfile(made.folder / MODEL, path))
    original = exporting._tokenizer_file

    def other(tower: OpenedTextTower) -> Any:
        name, content, pieces = original(tower)
        if pieces is None:
            return name, content.replace(b'"type":"Lowercase"', b'"type":"NFKC"'), pieces
        return name, content, replace(pieces, added={})

    monkeypatch.setattr(exporting, "_tokenizer_file", other)

    with pytest.raises(EncoderError, match=r"gives other tokens for '.+' than the encoder's own"):
        export_text_tower(made.encoder, tmp_path / "tower", check=[])

    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_computes_with_other_weights_than_its_checkpoint_s_is_refused(
    tiny_checkpoint: Callable[[str], Path], exported: Callable[[str], Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = exported("clip")
    monkeypatch.setattr(exporting, "_write_model", lambda tower, path: shutil.copyfile(made.folder / MODEL, path))
    encoder: Any = load_encoder(tiny_checkpoint("clip"), dtype="bfloat16", device="cpu")
    nn.init.normal_(encoder._model.text_projection.weight)

    with pytest.raises(EncoderError, match=r"in bfloat16 on cpu gives vectors with a cosine down to -?0\."):
        export_text_tower(encoder, tmp_path / "tower", check=["a red boat"])


def test_what_the_exporter_cannot_express_is_said(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    class Strange(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(features)

    encoder: Any = load_encoder(tiny_checkpoint("clip"), dtype="float32", device="cpu")
    encoder._model.text_projection = Strange()

    with pytest.raises(EncoderError, match=r"clip: its text tower cannot be exported: PyTorch .* \(\w+: .+\)$"):
        export_text_tower(encoder, tmp_path / "tower", check=["a red boat"])

    assert list(tmp_path.iterdir()) == []


class _OwnEncoder:
    spec = EncoderSpec("mine", 2, "f")

    def encode_images(self, images: Any) -> Vectors:
        return np.ones((len(images), 2), np.float32)

    encode_texts = encode_images


def test_encoders_with_nothing_to_open_are_refused(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder: Any = load_encoder(tiny_checkpoint("clip"), dtype="float32", device="cpu")

    with pytest.raises(EncoderError, match=r"mine: its text tower cannot be exported: only .* this is a _OwnEncoder"):
        export_text_tower(load_encoder(_OwnEncoder()), tmp_path / "tower", check=[])  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="it has no fingerprint"):
        export_text_tower(encoder.trainable().encoder(), tmp_path / "tower", check=[])
    with pytest.raises(ConfigError, match="one string"):
        export_text_tower(encoder, tmp_path / "tower", check="a red boat")

    class WordTokenizer(type(encoder._texts.tokenizer)):  # type: ignore[misc]
        is_fast = False

    encoder._texts.tokenizer.__class__ = WordTokenizer
    with pytest.raises(EncoderError, match=r"its tokenizer \(WordTokenizer\) is not one of the tokenizers library"):
        export_text_tower(encoder, tmp_path / "tower", check=[])
    assert list(tmp_path.iterdir()) == []


def _with_changed_weights(source: Path, target: Path, change: Callable[[Any], Any]) -> None:
    """The model with the weights of its last projection changed."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(source)
    last = max(
        (tensor for tensor in model.graph.initializer if len(tensor.dims) == 2),
        key=lambda tensor: _last_use(model, tensor.name),
    )
    last.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(last)), last.name))
    onnx.save(model, target)


def _last_use(model: Any, name: str) -> int:
    return max((i for i, node in enumerate(model.graph.node) if name in node.input), default=-1)
