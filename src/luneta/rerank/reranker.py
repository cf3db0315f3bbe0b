"""A re-ranker: an encoder, what scores its candidates anew, and how far that is believed; and its folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.artifacts import atomic_folder, write_json
from luneta.errors import ArtifactError, ConfigError, ShapeError
from luneta.rerank.builtin import located
from luneta.rerank.fusion import Floats, Fusion
from luneta.rerank.honesty import QUESTIONS, Answer, Answers, Rescorer
from luneta.rerank.kinds import RECORD, SCHEMA, check_model, identity_of, read_record, read_rescorer, write_rescorer
from luneta.rerank.search import Queries
from luneta.types import CrossEncoder, Encoder, ImageRef

logger = logging.getLogger("luneta")

Indexes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reranker:
    """Puts an encoder's candidates into a better order, or leaves them as they are.

    Attributes:
        encoder: whose candidates they are.
        rescorer: scores them anew.
        fusion: how much the new scores count.
        answers: whether it does what it says, as `luneta.rerank.honesty` asks; empty where nobody has asked.
        record: how it came about.
    """

    encoder: Encoder
    rescorer: Rescorer
    fusion: Fusion
    answers: Sequence[Answer] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    _last: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        used = {name: getattr(self.fusion, name) for name in ("alpha", "k", "within")}
        use = ", ".join(f"{name}={value:g}" for name, value in used.items() if value is not None)
        return f"Reranker({self.encoder.spec.name!r}, {use if self.fusion.changes else 'changes nothing'})"

    @property
    def is_honest(self) -> bool:
        """All questions were asked and answered with yes."""
        return {a.question for a in self.answers} == set(QUESTIONS) and all(a.passed for a in self.answers)

    def rerank(
        self, texts: Sequence[str], images: Sequence[ImageRef], candidates: Indexes, scores: NDArray[np.float32]
    ) -> tuple[Indexes, NDArray[np.float32]]:
        """Candidates in the new order.

        Those that `fusion` looks at change places, at most the first k of a text; those after them stay where they are,
        with the encoder's scores. A picture that cannot be read any more keeps the encoder's score.

        Args:
            texts: n texts.
            images: that the candidates are indexes of.
            candidates: (n, k) image indexes of the encoder's first answers, best first; -1 behind them where there are
                fewer.
            scores: (n, k) its cosines.

        Returns:
            (n, k) image indexes and (n, k) scores. Those that were looked at come first, with the scores that decide;
            the encoder's own scores behind them may be higher.

        Raises:
            ShapeError: the arrays do not fit one another, or an index is none of the images.
        """
        _check_candidates(texts, images, candidates, scores)
        if not self.fusion.changes or not candidates.size:
            return candidates, scores
        first = self.fusion.looked_at(candidates, scores)
        asking = np.flatnonzero((first >= 0).any(axis=1))
        if not len(asking):
            return candidates, scores
        first, k = first[asking], first.shape[1]
        asked = [texts[text] for text in asking.tolist()]
        queries = Queries(asked, self.encoder.encode_texts(asked))
        new = self.rescorer.rescore(queries, self._pictures(images), first)
        items, values = candidates.copy(), scores.copy()
        items[asking, :k], values[asking, :k] = _ordered(first, items[asking, :k], values[asking, :k], new, self.fusion)
        return items, values

    def _pictures(self, images: Sequence[ImageRef]) -> Any:
        """As the rescorer takes them; what it knows of them already is used when the same sequence comes again."""
        before, pictures = self._last.get("pictures", (None, None))
        if before is not images:
            pictures = self.rescorer.pictures(images)
            self._last["pictures"] = images, pictures
        return pictures

    # -- its folder --------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it to a folder, whole or not at all; one that is there is replaced.

        Raises:
            ConfigError: it would change the order and has not shown that it does what it says; or it is of a kind that
                has no folder.
            ArtifactError: it cannot be written.
        """
        if self.fusion.changes and not self.is_honest:
            said = "; ".join(str(answer) for answer in self.answers) or "it was never asked"
            raise ConfigError(
                f"this re-ranker would change the encoder's order without having shown that it should ({said}). Save "
                "it with alpha 0, or train another one"
            )
        with atomic_folder(folder) as new:
            write_json(
                new / RECORD,
                {
                    "schema": SCHEMA,
                    **write_rescorer(new, self.rescorer),
                    "encoder": identity_of(self.encoder),
                    "fusion": asdict(self.fusion),
                    "answers": [asdict(answer) for answer in self.answers],
                    "record": dict(self.record),
                },
            )

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], encoder: Encoder, *, cross_encoder: CrossEncoder | None = None
    ) -> Reranker:
        """Read what `save` wrote.

        Args:
            folder: of the re-ranker, or the name of a built-in encoder for the one that comes with it.
            encoder: the one it was made for.
            cross_encoder: what it scores with, where it scores with one; None loads it by its name.

        Raises:
            ArtifactError: it is missing, damaged or of another schema.
            IndexMismatchError: it was made for another encoder, or with another cross-encoder.
            ConfigError: the encoder takes no prompts, or a cross-encoder of your own is to be given.
        """
        folder = located(folder)
        written = read_record(folder)
        check_model(written["encoder"], encoder, folder)
        try:
            fusion, answers = Fusion(**written["fusion"]), [Answer(**answer) for answer in written["answers"]]
        except (TypeError, ConfigError) as error:
            raise ArtifactError(f"{folder} is no whole re-ranker: {type(error).__name__}: {error}") from error
        rescorer = read_rescorer(folder, written, encoder, cross_encoder)
        return cls(encoder, rescorer, fusion, answers, written["record"])


def believed(reranker: Reranker) -> Reranker:
    """The re-ranker as far as it may be used: as it is, or with alpha 0 where it has not shown that it should."""
    if not reranker.fusion.changes:
        logger.warning("nothing is gained for sure over the encoder alone: the re-ranker changes nothing (alpha 0)")
        return reranker
    if reranker.is_honest:
        return reranker
    failed = Answers([answer for answer in reranker.answers if not answer.passed])
    logger.warning("the re-ranker has not shown that it does what it says (%s): it changes nothing (alpha 0)", failed)
    return replace(reranker, fusion=replace(reranker.fusion, alpha=0.0))


def _ordered(
    looked_at: Indexes, candidates: Indexes, scores: NDArray[np.float32], new: Floats, fusion: Fusion
) -> tuple[Indexes, NDArray[np.float32]]:
    """(n, k) candidates and their scores: those looked at by what decides, the others behind as they were."""
    there, places = looked_at >= 0, np.arange(candidates.shape[1])
    fused = fusion.fuse(scores, new)  # the encoder's where it was not looked at
    order = np.lexsort((np.where(there, candidates, places), np.where(there, -fused, np.inf)), axis=1)
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(fused, order, axis=1)


def _check_candidates(
    texts: Sequence[str], images: Sequence[ImageRef], candidates: NDArray[Any], scores: NDArray[Any]
) -> None:
    if candidates.ndim != 2 or candidates.shape != scores.shape or len(candidates) != len(texts):
        raise ShapeError(
            f"candidates have shape {candidates.shape} and scores {scores.shape} for {len(texts)} texts; expected "
            "(n_texts, k) twice"
        )
    unknown = candidates[(candidates < -1) | (candidates >= len(images))]
    if unknown.size:
        raise ShapeError(f"candidates name image {int(unknown[0])} of {len(images)}")
