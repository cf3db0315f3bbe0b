"""The text tower of an encoder without the encoder: ONNX Runtime, a tokenizer and numpy.

A query is one short text, and loading PyTorch and transformers takes a hundred times as long as reading it. So the
text tower can be exported once (`luneta.encoders.exporting`) and is then run from its folder:

    TOWER/
      tower.json              how texts are prepared, whose tower it is, how close it is, and the files with hashes
      text_tower.onnx         token ids -> unit vectors
      text_tower.onnx.data    its weights, where they are large: mapped into memory, so only what is read is loaded
      tokenizer.json          text -> token ids; spiece.model for the first SigLIP

The files belong together under these names: the first names the weights. Importing this module loads neither torch
nor transformers; nothing it imports may.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped, unused-ignore]

from luneta import threads
from luneta.artifacts import read_json
from luneta.encoders.inputs import clean_text, list_of_texts, padded_rows
from luneta.encoders.light_tokens import FastReader, PieceReader, PieceRules, Reader, Tokens, unreadable
from luneta.encoders.weights import digest
from luneta.errors import ArtifactError, EncoderError
from luneta.types import EncoderSpec, Vectors

SCHEMA = "luneta.text_tower/1"
RECORD = "tower.json"
MODEL = "text_tower.onnx"
WEIGHTS = "text_tower.onnx.data"
TOKENIZER = "tokenizer.json"
PIECES = "spiece.model"

BATCH = 64
"""Texts in one run, as in `luneta.encoders.hf` on a CPU."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """How a text becomes a row of tokens.

    Attributes:
        context: tokens a text may have, special ones included; tokenizer.json cuts there.
        padding_id: what fills the rows.
        pads_to_context: every text is padded to the whole context, because the model reads the padding.
        masks_padding: the model gets an attention mask.
        lowers: texts are lower-cased before the tokenizer.
        longest_text: characters of a text that are read at all.
        pieces: what surrounds a sentencepiece model; None where the tokenizer is of the tokenizers library.
    """

    context: int
    padding_id: int
    pads_to_context: bool
    masks_padding: bool
    lowers: bool
    longest_text: int
    pieces: PieceRules | None = None


@dataclass(frozen=True, slots=True)
class Parity:
    """How close the exported tower came to the encoder, on how many texts.

    Attributes:
        n_texts: that were compared; their tokens are equal.
        largest_difference: of any number of the vectors, to the encoder computed in float32 on a CPU.
        smallest_cosine: of a text's two vectors.
        used_largest_difference, used_smallest_cosine: the same to the encoder as it was given, which in bfloat16 is
            itself further from float32 than the tower is.
    """

    n_texts: int
    largest_difference: float
    smallest_cosine: float
    used_largest_difference: float
    used_smallest_cosine: float


@dataclass(frozen=True, slots=True)
class TextTowerRecord:
    """What `tower.json` says.

    Attributes:
        encoder: whose tower it is, as it was given; without `details`.
        texts: how they are prepared.
        parity: as measured when it was exported.
        files: name -> SHA-256.
    """

    encoder: EncoderSpec
    texts: TextRules
    parity: Parity
    files: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """For `tower.json`."""
        encoder = asdict(self.encoder)
        del encoder["details"], encoder["device"]
        return {
            "schema": SCHEMA,
            "encoder": encoder,
            "texts": asdict(self.texts),
            "parity": asdict(self.parity),
            "files": dict(self.files),
        }

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> TextTowerRecord:
        """The record in `folder`; the files it names are not looked at.

        Raises:
            ArtifactError: there is none, or it is damaged or of another version.
        """
        path = Path(folder) / RECORD
        found = read_json(path)
        try:
            if found["schema"] != SCHEMA:
                raise ValueError(f"schema is {found['schema']!r}, expected {SCHEMA!r}")
            encoder = EncoderSpec(**{**found["encoder"], "languages": tuple(found["encoder"]["languages"])})
            pieces = found["texts"]["pieces"]
            texts = TextRules(**{**found["texts"], "pieces": pieces and PieceRules.from_json(pieces)})
            record = cls(encoder, texts, Parity(**found["parity"]), dict(found["files"]))
            record._check()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{path} is not the record of a text tower ({type(error).__name__}: {error}). Export the tower again."
            ) from error
        return record

    def _check(self) -> None:
        """Raises ValueError where the record would have us compute something else than was exported."""
        texts = self.texts
        for name in ("context", "padding_id", "longest_text"):
            value = getattr(texts, name)
            if type(value) is not int or value < (0 if name == "padding_id" else 1):
                raise ValueError(f"texts.{name} is {value!r}")
        for name in ("pads_to_context", "masks_padding", "lowers"):
            if type(getattr(texts, name)) is not bool:
                raise ValueError(f"texts.{name} is {getattr(texts, name)!r}")
        if type(self.encoder.embedding_dim) is not int or not isinstance(self.encoder.fingerprint, str):
            raise ValueError("encoder has no embedding_dim or fingerprint")
        if set(self.files) - {WEIGHTS} != {MODEL, PIECES if texts.pieces else TOKENIZER}:
            raise ValueError(f"files are {', '.join(self.files) or 'none'}")


class LightTextEncoder:
    """The texts' half of an encoder; made by `load`. Safe to use from several threads.

    Attributes:
        record: how it was exported.
        spec: of the encoder it stands for, with that encoder's fingerprint: their vectors are of one space.
    """

    def __init__(self, record: TextTowerRecord, reader: Reader, model: Path) -> None:
        self.record = record
        self.spec = replace(record.encoder, backend="onnxruntime", dtype="float32", device="cpu")
        self._rules = record.texts
        self._reader = reader
        self._model = model
        self._session = _session(model, packed=False)

    def __repr__(self) -> str:
        return f"LightTextEncoder({self.spec.name!r})"

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LightTextEncoder:
        """The tower that `export_text_tower` wrote to `folder`.

        Raises:
            ArtifactError: a file is missing, damaged, of another export or another version.
        """
        folder = Path(folder)
        record = TextTowerRecord.read(folder)
        for name, expected in record.files.items():
            _check_file(folder / name, expected)
        return cls(record, _reader(folder, record.texts), folder / MODEL)

    def warm(self) -> None:
        """Make ready for many queries: those after this take half the time.

        Until then weights are used where they lie in the mapped file, which opens in a fraction of the time and of the
        memory. This copies the matrices into the order that the processor multiplies fastest.

        Raises:
            ArtifactError: the model's file is gone.
        """
        self._session = _session(self._model, packed=True)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Strings -> (n, embedding_dim) float32 unit vectors, in the order given.

        Texts longer than the context are cut, and keep their end token. Where padding does not change a vector, texts
        are batched by length.

        Raises:
            ConfigError: something that is not a list of strings.
            EncoderError: a vector is not finite.
        """
        token_ids = self.token_ids(texts)
        order = list(range(len(token_ids)))
        if not self._rules.pads_to_context:
            order.sort(key=lambda index: len(token_ids[index]))
        vectors = np.empty((len(token_ids), self.spec.embedding_dim), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            indexes = order[start : start + BATCH]
            vectors[indexes] = self._run([token_ids[index] for index in indexes])
        return vectors

    def n_truncated(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the context and lose their end."""
        return sum(tokens.truncated for tokens in self._read(texts))

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, special tokens included, cut to the context.

        Raises:
            ConfigError: something that is not a list of strings.
        """
        return [tokens.ids for tokens in self._read(texts)]

    def _read(self, texts: Sequence[str]) -> list[Tokens]:
        lowers, longest = self._rules.lowers, self._rules.longest_text
        return self._reader.read([clean_text(text, lowers=lowers, longest=longest) for text in list_of_texts(texts)])

    def _run(self, token_ids: Sequence[Sequence[int]]) -> Vectors:
        rules = self._rules
        rows, mask = padded_rows(token_ids, rules.padding_id, rules.context if rules.pads_to_context else None)
        inputs = {"input_ids": rows}
        if rules.masks_padding:
            inputs["attention_mask"] = mask
        vectors: Vectors = self._session.run(["vectors"], inputs)[0]
        if not np.isfinite(vectors).all():
            useless = int((~np.isfinite(vectors).all(axis=1)).sum())
            raise EncoderError(
                f"{self.spec.name}: {useless} of {len(vectors)} text vectors are not finite or have no length. The "
                "weights are damaged."
            )
        return vectors


def _check_file(path: Path, expected: str) -> None:
    try:
        found = digest(path)
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror or error}), but {RECORD} beside it names it. Export the tower "
            "again."
        ) from error
    if found != expected:
        raise ArtifactError(
            f"{path} is damaged or of another export: its SHA-256 begins with {found[:12]}, but {RECORD} says "
            f"{expected[:12]}. Export the tower again."
        )


def _reader(folder: Path, rules: TextRules) -> Reader:
    if rules.pieces is not None:
        return PieceReader(folder / PIECES, rules.pieces, rules.context)
    return FastReader(folder / TOKENIZER)


def _session(path: Path, *, packed: bool) -> onnxruntime.InferenceSession:
    """A model opened for this process's share of the threads, its matrices packed for this processor or as they lie."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.available()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they are raised too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the cores alone
    if not packed:
        options.add_session_config_entry("session.disable_prepacking", "1")
    onnxruntime.disable_telemetry_events()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors have no common class
        raise unreadable(path, f"ONNX Runtime {onnxruntime.__version__}", error) from error
