"""Texts to token ids without transformers, for the light query path.

Most tokenizers are of the tokenizers library and are in one file. The first SigLIP's is a sentencepiece model and some
Python around it (`SiglipTokenizer` of transformers); that Python is here again, and an export is refused if any of its
tokens differ.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tokenizers import Tokenizer

from luneta.errors import ArtifactError

_SPACE = "▁"  # a space, to sentencepiece
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of one text.

    Attributes:
        ids: special tokens included, cut to the context; the end token stays.
        truncated: the text is longer than the context and loses its end.
    """

    ids: list[int]
    truncated: bool


class Reader(Protocol):
    """Cleaned texts -> tokens."""

    def read(self, texts: Sequence[str]) -> list[Tokens]: ...


class FastReader:
    """By the tokenizers library; the file says where a text is cut."""

    def __init__(self, path: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library's Rust side raises nothing more precise
            raise unreadable(path, "the tokenizers library", error) from error

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        return [Tokens(found.ids, bool(found.overflowing)) for found in self._tokenizer.encode_batch(list(texts))]


@dataclass(frozen=True, slots=True)
class Added:
    """What is one token wherever it is written in a text.

    Attributes:
        id: of the token.
        special: it ends a text, or stands for something unknown or for nothing.
    """

    id: int
    special: bool


@dataclass(frozen=True, slots=True)
class PieceRules:
    """What surrounds a sentencepiece model.

    Attributes:
        end: id of the token that ends a text.
        unknown: how the unknown token is written.
        added: by how it is written.
    """

    end: int
    unknown: str
    added: Mapping[str, Added]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PieceRules:
        """Raises TypeError, KeyError, ValueError or AttributeError if it is none."""
        return cls(int(value["end"]), str(value["unknown"]), {t: Added(**facts) for t, facts in value["added"].items()})


class PieceReader:
    """By sentencepiece, as the first SigLIP was trained: no punctuation, single spaces, an end token."""

    def __init__(self, path: Path, rules: PieceRules, context: int) -> None:
        import sentencepiece

        self._rules, self._context = rules, context
        try:
            self._model: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except Exception as error:  # a damaged file: RuntimeError, OSError, by where it is damaged
            raise unreadable(path, "sentencepiece", error) from error
        longest_first = sorted(rules.added, key=len, reverse=True)
        self._added = re.compile(f"({'|'.join(map(re.escape, longest_first))})" if longest_first else r"((?!))")
        self._n_unknown = len(self._model.encode(rules.unknown, out_type=str))

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Tokens:
        ids = self._ids(text)
        whole = self._ended(ids)
        return Tokens(self._ended(ids[: self._context - 1]), len(whole) > self._context)

    def _ended(self, ids: list[int]) -> list[int]:
        return ids if ids and ids[-1] == self._rules.end else [*ids, self._rules.end]

    def _ids(self, text: str) -> list[int]:
        added = self._rules.added
        parts = self._added.split(_SPACE + text.replace(_SPACE, " "))
        tokens: list[str] = []
        for i, part in enumerate(parts):  # every second part is an added token
            tokens += [part] if i % 2 else self._pieces(part)
        if len(tokens) > 1 and tokens[0] == _SPACE and tokens[1] in added and added[tokens[1]].special:
            del tokens[0]
        return [added[token].id if token in added else self._model.piece_to_id(token) for token in tokens]

    def _pieces(self, part: str) -> list[str]:
        part = re.sub(r"\s+", " ", part.translate(_NO_PUNCTUATION)).strip()
        # Behind a word a space would be lost; the unknown token is put before it and taken off again.
        pieces: list[str] = self._model.encode(self._rules.unknown + part, out_type=str)
        return pieces[self._n_unknown :]


def unreadable(path: Path, library: str, error: Exception) -> ArtifactError:
    """A file whose hash is right and which a library still does not take."""
    return ArtifactError(f"{path} cannot be read by {library} that is installed: {error}. Export the tower again.")
