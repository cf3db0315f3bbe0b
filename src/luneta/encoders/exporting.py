"""The text tower of an encoder as ONNX, beside its tokenizer: what `luneta.encoders.light` runs.

An export is worth nothing if its vectors are others than the encoder's, since the pictures it is compared with were
embedded by the encoder. So every export is run on texts, ordinary and awkward, and refused where tokens differ at all
or vectors by more than rounding.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from luneta.artifacts import atomic_folder, hash_file, public_name, write_json
from luneta.encoders.custom import CheckedEncoder
from luneta.encoders.inputs import LONGEST_TEXT, list_of_texts
from luneta.encoders.light import (
    MODEL,
    PIECES,
    RECORD,
    TOKENIZER,
    WEIGHTS,
    LightTextEncoder,
    Parity,
    TextRules,
    TextTowerRecord,
)
from luneta.encoders.light_tokens import Added, PieceRules
from luneta.encoders.texts import TextPreparation
from luneta.errors import EncoderError
from luneta.types import Encoder, Vectors

if TYPE_CHECKING:
    from luneta.encoders.hf import HFEncoder

BOUND = 1e-4
"""Of any number of a unit vector. Two programs that add the same float32 numbers in another order differ by about 1e-6
after a dozen layers, and by 1e-5 after many; 1e-4 moves no score by more than its third digit."""

USED_COSINE = 0.99
"""Least cosine to the encoder as given. In bfloat16 an encoder's own vectors are rounded by more than BOUND, so the
export is held against the same weights in float32; this is only to notice that the encoder computes with others."""

EXTERNAL_ABOVE = 64 * 2**20
"""Bytes of weights; more lie in a file of their own, which is mapped into memory instead of read and copied."""

OPSET = 18
"""The one that the exporter speaks; for any other it converts what it has written."""

_LOUD = ("torch", "onnxscript", "onnx_ir")
_EXAMPLES = ("a red boat", "two dogs on the beach at night")


def export_text_tower(encoder: Encoder, folder: str | os.PathLike[str], *, check: Sequence[str]) -> TextTowerRecord:
    """Write the text tower of `encoder` to `folder`, for `LightTextEncoder.load`.

    Weights are float32 whatever the encoder computes in. The same encoder gives the same bytes under the same versions
    of the libraries.

    Args:
        encoder: of `load_encoder`.
        folder: written whole or not at all; one that exists is replaced.
        check: texts like those that will be asked; the tower must read them as the encoder does, and some awkward
            ones besides.

    Raises:
        EncoderError: the encoder cannot be exported, or what was exported differs from it; nothing is written.
        ConfigError: `check` is not a list of strings.
        ArtifactError: the folder cannot be written.
    """
    texts = list_of_texts(check)
    tower = _opened(encoder)
    tokenizer, content, pieces = _tokenizer_file(tower)
    texts += awkward_texts(tower.texts.tokenizer.all_special_tokens)
    with atomic_folder(folder) as new, _quiet():
        (new / tokenizer).write_bytes(content)
        _write_model(tower, new / MODEL)
        files = {name: hash_file(new / name) for name in (MODEL, WEIGHTS, tokenizer) if (new / name).is_file()}
        spec = replace(tower.given.spec, name=public_name(tower.given.spec.name), details={})
        record = TextTowerRecord(spec, _rules(tower.texts, pieces), _UNMEASURED, files)
        write_json(new / RECORD, record.as_json())
        record = replace(record, parity=_measured(LightTextEncoder.load(new), tower, texts))
        write_json(new / RECORD, record.as_json())
    return record


@dataclass(frozen=True, slots=True)
class OpenedTextTower:
    """What an export needs of an encoder.

    Attributes:
        given: the encoder.
        plain: the same in float32 on the CPU; often the same object.
        model: of transformers, that of `plain`.
        texts: the preparation of `plain`.
    """

    given: HFEncoder
    plain: HFEncoder
    model: Any
    texts: TextPreparation


def awkward_texts(special_tokens: Sequence[str]) -> list[str]:
    """Texts at which preparations of texts differ, if they do.

    >>> "</s>" in " ".join(awkward_texts(["</s>"]))
    True
    """
    long = "a red boat, two small dogs and an old man on the beach "
    return [
        "",
        " ",
        "a",
        ".",
        "A RED Boat",
        "  two   dogs\ton\nthe beach  ",
        "três maçãs verdes à noite, coração",
        "tre\u0302s mac\u0327a\u0303s",  # the same letters, their accents apart
        "İstanbul straße ﬁne ½",  # lower-casing and normal forms change how many characters there are
        "two dogs 🐕🏽 on the beach 🏖️ 👩‍👩‍👧",
        "红色的船在海滩上",
        "قارب أحمر على الشاطئ",
        "סירה אדומה \u202eabc\u202c",
        "red\0boat",
        "red\ud83dboat",  # half a pair of surrogates
        "\u200b\ufeff\u00a0",
        "don't; they're e-mail@example.org, 3.14!?",
        *special_tokens,
        *(f"a red boat{token} on {token}" for token in special_tokens),
        long * 10,
        "á" * (LONGEST_TEXT + 1),
        "a boat" + " " * LONGEST_TEXT + long,  # nothing of it after the spaces is read
        " " * LONGEST_TEXT + long * (2**20 // len(long)),
    ]


def _opened(encoder: Encoder) -> OpenedTextTower:
    """Raises EncoderError where an encoder has nothing to open."""
    inner = encoder.unchecked if isinstance(encoder, CheckedEncoder) else encoder
    name = encoder.spec.name
    if not hasattr(inner, "text_tower"):
        raise EncoderError(
            f"{name}: its text tower cannot be exported: only encoders that are checkpoints of transformers can be, "
            f"and this is a {type(inner).__name__}"
        )
    if not encoder.spec.fingerprint:
        raise EncoderError(
            f"{name}: its text tower cannot be exported: it has no fingerprint, so nothing would tell later whose "
            "tower it is. Save the encoder and load it from there."
        )
    tower: OpenedTextTower = inner.text_tower()
    return tower


def _tokenizer_file(tower: OpenedTextTower) -> tuple[str, bytes, PieceRules | None]:
    """Name and content of the tokenizer's file, and what surrounds it where it is a sentencepiece model."""
    tokenizer = tower.texts.tokenizer
    if tokenizer.is_fast:
        tower.texts.token_ids(["a"])  # leaves the tokenizer set to cut as the encoder cuts
        return TOKENIZER, tokenizer.backend_tokenizer.to_str().encode(), None
    if type(tokenizer).__name__ != "SiglipTokenizer" or tokenizer.sp_model_kwargs:
        raise EncoderError(
            f"{tower.given.spec.name}: its text tower cannot be exported: its tokenizer ({type(tokenizer).__name__}) "
            "is not one of the tokenizers library, and runs in transformers only"
        )
    pieces = PieceRules(tokenizer.eos_token_id, str(tokenizer.unk_token), added_tokens(tokenizer))
    return PIECES, tokenizer.sp_model.serialized_model_proto(), pieces


def added_tokens(tokenizer: Any) -> dict[str, Added]:
    """Of a tokenizer of transformers, by how each is written."""
    special = set(tokenizer.all_special_tokens)
    return {str(token): Added(id_, str(token) in special) for id_, token in tokenizer.added_tokens_decoder.items()}


def _rules(texts: TextPreparation, pieces: PieceRules | None) -> TextRules:
    return TextRules(
        context=texts.context,
        padding_id=texts.padding_id,
        pads_to_context=not texts.any_order,
        masks_padding=bool(texts.details["attention_mask"]),
        lowers=bool(texts.details["lower_case"]),
        longest_text=LONGEST_TEXT,
        pieces=pieces,
    )


# -- the graph -------------------------------------------------------------------------------------------------


class _UnitVectors(nn.Module):
    """Token ids -> unit vectors, as `HFEncoder.encode_texts` computes them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        masked = {} if attention_mask is None else {"attention_mask": attention_mask}
        pooled: Tensor = self.model.get_text_features(input_ids=input_ids, **masked).pooler_output
        vectors: Tensor = pooled / pooled.norm(dim=1, keepdim=True)
        return vectors


def _write_model(tower: OpenedTextTower, path: Path) -> None:
    """Raises EncoderError where PyTorch's exporter cannot express the tower."""
    example = tower.texts.collate(tower.texts.token_ids(_EXAMPLES))
    any_size = torch.export.Dim.DYNAMIC
    axes = {0: any_size, 1: any_size} if tower.texts.any_order else {0: any_size}
    try:
        with torch.no_grad():
            program: Any = torch.onnx.export(
                _UnitVectors(tower.model).eval(),
                kwargs=example,
                input_names=list(example),
                output_names=["vectors"],
                dynamic_shapes=dict.fromkeys(example, axes),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            _save(program.model, path)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # what the exporter raises has no common class
        raise EncoderError(
            f"{tower.given.spec.name}: its text tower cannot be exported: PyTorch {torch.__version__} cannot write it "
            f"as ONNX ({type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''})"
        ) from error


def _save(model: Any, path: Path) -> None:
    """Without the exporter's notes on where in whose files each step was written."""
    import onnx_ir

    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    onnx_ir.save(model, path, external_data=WEIGHTS if size > EXTERNAL_ABOVE else None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what the exporter and tokenizers say on their way: what goes wrong is raised."""
    levels = {name: logging.getLogger(name).level for name in _LOUD}
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


# -- parity ----------------------------------------------------------------------------------------------------

_UNMEASURED = Parity(0, 0.0, 1.0, 0.0, 1.0)


def _measured(light: LightTextEncoder, tower: OpenedTextTower, texts: Sequence[str]) -> Parity:
    """How close the export is. Raises EncoderError where it is not close enough."""
    name = tower.given.spec.name
    read = [*texts, *(f"a red boat{token} on {token}" for token in tower.texts.tokenizer.get_added_vocab())]
    expected = tower.texts.token_ids(read)
    for text, ours, theirs in zip(read, light.token_ids(read), expected, strict=True):
        if ours != theirs:
            raise EncoderError(
                f"{name}: its text tower cannot be exported: the tokenizer as exported gives other tokens for "
                f"{text[:60]!r} than the encoder's own"
            )
    if light.n_truncated(read) != tower.plain.n_truncated(read):
        raise EncoderError(f"{name}: its text tower cannot be exported: its tokenizer cuts other texts once exported")
    vectors = light.encode_texts(texts)
    difference, cosine = _distance(vectors, tower.plain.encode_texts(texts))
    if not difference <= BOUND:
        raise EncoderError(
            f"{name}: its text tower cannot be exported: a number of a vector differs by {difference:.2g} from the "
            f"encoder's, more than {BOUND:g} (smallest cosine {cosine:.6f})"
        )
    used = difference, cosine
    if tower.given is not tower.plain:
        used = _distance(vectors, tower.given.encode_texts(texts))
        if not used[1] >= USED_COSINE:
            raise EncoderError(
                f"{name}: its text tower cannot be exported: the encoder in {tower.given.spec.dtype} on "
                f"{tower.given.spec.device} gives vectors with a cosine down to {used[1]:.4f} to those of its own "
                f"checkpoint in float32, less than {USED_COSINE}"
            )
    return Parity(len(texts), difference, cosine, *used)


def _distance(ours: Vectors, theirs: Vectors) -> tuple[float, float]:
    """Largest difference of a number to two digits, and smallest cosine of a row to six places."""
    cosines = np.einsum("ij,ij->i", ours, theirs, dtype=np.float64)
    return float(f"{np.abs(ours - theirs).max():.1e}"), round(float(cosines.min()), 6)
