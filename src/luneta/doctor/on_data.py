"""Checks of an encoder on the data it is to serve: languages, tokens, cut captions, and whether pairs are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset
from luneta.data.language_guess import UNDECIDED, guess_language
from luneta.doctor.findings import Check, Verdict
from luneta.doctor.probes import Subject, Unit
from luneta.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_TEXTS = 20_000
"""Captions whose tokens are counted; of more, as many from all over the data set."""

MOST_PAIRS = 128
FEW_LETTERS = 2.3
"""Letters a token stands for below which words fall apart; a tokenizer that knows a language reaches 3 to 5."""

_NO_SPACES = 0x0E00  # Thai and what comes after it in Unicode: words are not divided by spaces


def language(subject: Subject, dataset: ImageTextDataset) -> Check:
    """The language of the captions against those the checkpoint's own record names."""
    spoken, how = _language_of(dataset)
    reads = subject.encoder.spec.languages
    numbers = {"data": spoken, "encoder": list(reads)}
    if not reads:
        measured = f"captions: {spoken or 'undecided'}; what the encoder was trained to read is not on record"
        return Check("languages", "not known", measured, numbers)
    read = ", ".join(reads)
    if spoken is None:
        return Check("languages", "not known", f"captions: undecided; the encoder reads {read}", numbers)
    measured = f"captions: {spoken} ({how}); the encoder reads {read}"
    known = "multilingual" in reads or _base(spoken) in {_base(code) for code in reads}
    return Check("languages", "pass" if known else "warn", measured, numbers)


def _language_of(dataset: ImageTextDataset) -> tuple[str | None, str]:
    if dataset.language:
        return dataset.language, "as the data set says"
    guesses = Counter(map(guess_language, _spread(dataset.texts, 500)))
    guesses.pop(UNDECIDED, None)
    return (guesses.most_common(1)[0][0], "by their words") if guesses else (None, "")


def _base(code: str) -> str:
    return code.replace("_", "-").partition("-")[0].lower()


def tokens(subject: Subject, dataset: ImageTextDataset) -> list[Check]:
    """How the tokenizer copes with the captions, and which of them are cut."""
    if subject.anatomy is None:
        measured = "the encoder does not show its tokens"
        return [Check(name, "not known", measured) for name in ("tokenizer", "truncated captions")]
    rows = _spread(range(dataset.n_texts), MOST_TEXTS)
    texts = [dataset.texts[row] for row in rows]
    counts = subject.anatomy.count_tokens(texts)
    cut = [row for row, count in zip(rows, counts, strict=True) if count.truncated]
    n_tokens = max(sum(count.n_tokens for count in counts), 1)
    unknown = sum(count.n_unknown for count in counts) / n_tokens
    in_bytes = sum(count.n_bytes for count in counts) / n_tokens
    spaced = [(text, count.n_tokens) for text, count in zip(texts, counts, strict=True) if _divides_words(text)]
    letters = sum(sum(map(str.isalpha, text)) for text, _ in spaced)
    per_token = letters / max(sum(n for _, n in spaced), 1) if spaced else None
    return [_tokenizer(unknown, in_bytes, per_token), _truncated(dataset, cut, len(rows))]


def _divides_words(text: str) -> bool:
    return text.isascii() or all(ord(character) < _NO_SPACES for character in text if character.isalpha())


def _tokenizer(unknown: float, in_bytes: float, letters_per_token: float | None) -> Check:
    numbers = {"unknown_share": unknown, "byte_share": in_bytes, "letters_per_token": letters_per_token}
    measured = f"{unknown:.1%} of the tokens are unknown, {in_bytes:.1%} single bytes"
    apart = letters_per_token is not None and letters_per_token < FEW_LETTERS
    if letters_per_token is not None:
        measured += f"; a token stands for {letters_per_token:.1f} letters"
    verdict: Verdict = "fail" if unknown > 0.2 else "warn" if unknown > 0.01 or in_bytes > 0.05 or apart else "pass"
    return Check("tokenizer", verdict, measured + ", so words fall apart" * apart, numbers)


def _truncated(dataset: ImageTextDataset, cut: Sequence[int], n_seen: int) -> Check:
    numbers = {"n_truncated": len(cut), "n_texts": n_seen, "first": list(cut[:20])}
    if not cut:
        return Check("truncated captions", "pass", f"none of {n_seen:,}", numbers)
    examples = "; ".join(f"text {row}: {_short(dataset.texts[row])!r}" for row in cut[:3])
    measured = f"{len(cut):,} of {n_seen:,} ({len(cut) / n_seen:.1%}) lose their end: {examples}"
    return Check("truncated captions", "warn", measured, numbers)


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def sample_pairs(dataset: ImageTextDataset, n: int = MOST_PAIRS) -> tuple[list[str], list[Image]]:
    """Up to n pictures from all over the data set that can be opened, each with one of its captions."""
    caption_of = {int(image): int(text) for text, image in dataset.pairs[::-1]}
    texts, images = [], []
    for index in _spread(range(dataset.n_images), n):
        try:
            images.append(dataset.images[index].open())
        except ImageError:
            continue
        texts.append(dataset.texts[caption_of[index]])
    return texts, images


def positives_above_shuffled(texts: Sequence[str], text_vectors: Unit, image_vectors: Unit) -> Check:
    """How often a picture's own caption scores above another's; 0.5 is chance.

    The lower end of the interval is two standard errors below, over the pictures.
    """
    scores = text_vectors @ image_vectors.T
    own = np.diagonal(scores)
    labels: NDArray[Any] = np.array(texts, dtype=object)
    other = labels[:, None] != labels[None, :]
    if len(own) < 3 or not other.any():
        return Check("positives above shuffled", "not known", "too few different pairs to tell")
    wins = np.where(scores < own[None, :], 1.0, np.where(scores == own[None, :], 0.5, 0.0))
    counted = other.any(axis=0)
    per_image = (wins * other).sum(axis=0)[counted] / other.sum(axis=0)[counted]
    share = float(per_image.mean())
    margin = 2 * float(per_image.std()) / len(per_image) ** 0.5
    numbers = {"share": share, "low": share - margin, "n_pairs": len(own)}
    verdict: Verdict = "fail" if share - margin <= 0.5 else "warn" if share < 0.75 else "pass"
    measured = (
        f"a picture's own caption scores above another's in {share:.1%} of {len(own)} x {len(own)} (chance: 50 %)"
    )
    return Check("positives above shuffled", verdict, measured, numbers)


def _spread(items: Sequence[Any], n: int) -> list[Any]:
    """At most n of the items, evenly from the first to the last."""
    if len(items) <= n:
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, n)]
