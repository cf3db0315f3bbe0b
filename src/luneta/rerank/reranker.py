"""A re-ranker: an encoder, what scores its candidates anew, and how far that is believed; and its folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from luneta.artifacts import atomic_folder, hash_json, read_json, write_json
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, ShapeError
from luneta.rerank.elip import Elip, promptable
from luneta.rerank.fusion import Fusion
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.honesty import QUESTIONS, Answer, Rescorer
from luneta.rerank.saving import read_tensors
from luneta.rerank.search import Queries
from luneta.types import Encoder, EncoderSpec, ImageRef

logger = logging.getLogger("luneta")

SCHEMA = "luneta.reranker/1"

_GUIDE, _RECORD = "guide.safetensors", "reranker.json"
_MAKES_AN_ENCODER = ("model_type", "weights", "config", "image", "text")

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

    def __repr__(self) -> str:
        use = f"alpha={self.fusion.alpha:g}, k={self.fusion.k}" if self.fusion.changes else "changes nothing"
        return f"Reranker({self.encoder.spec.name!r}, {use})"

    @property
    def is_honest(self) -> bool:
        """All questions were asked and answered with yes."""
        return {a.question for a in self.answers} == set(QUESTIONS) and all(a.passed for a in self.answers)

    def rerank(
        self, texts: Sequence[str], images: Sequence[ImageRef], candidates: Indexes, scores: NDArray[np.float32]
    ) -> tuple[Indexes, NDArray[np.float32]]:
        """Candidates in the new order.

        The first `fusion.k` of a text change places; those after them stay where they are, with the encoder's scores. A
        picture that cannot be read any more keeps the encoder's score.

        Args:
            texts: n texts.
            images: that the candidates are indexes of.
            candidates: (n, k) image indexes of the encoder's first answers, best first.
            scores: (n, k) its cosines.

        Returns:
            (n, k) image indexes and (n, k) scores.

        Raises:
            ShapeError: the arrays do not fit one another, or an index is none of the images.
        """
        _check_candidates(texts, images, candidates, scores)
        if not self.fusion.changes or not candidates.size:
            return candidates, scores
        k = min(self.fusion.k, candidates.shape[1])
        first = candidates[:, :k]
        queries = Queries(list(texts), self.encoder.encode_texts(list(texts)))
        new = self.rescorer.rescore(queries, self.rescorer.pictures(images), first)
        fused = self.fusion.fuse(scores[:, :k], new)
        order = np.lexsort((first, -fused), axis=1)
        moved, ordered = np.take_along_axis(first, order, axis=1), np.take_along_axis(fused, order, axis=1)
        return np.concatenate([moved, candidates[:, k:]], axis=1), np.concatenate([ordered, scores[:, k:]], axis=1)

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
        if not isinstance(self.rescorer, Elip):
            raise ConfigError(f"a {type(self.rescorer).__name__} has no folder of its own; only ELIP guides are saved")
        with atomic_folder(folder) as new:
            guide = self.rescorer.guide
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in guide.state_dict().items()},
                      new / _GUIDE)  # fmt: skip
            write_json(new / _RECORD, self._written(self.rescorer))

    def _written(self, elip: Elip) -> dict[str, Any]:
        spec = self.encoder.spec
        return {
            "schema": SCHEMA,
            "kind": "elip",
            "encoder": {"name": spec.name, "revision": spec.revision, "fingerprint": spec.fingerprint,
                        "dtype": spec.dtype, "made_of": made_of(spec)},
            "guide": {"shape": elip.guide.shape.to_dict(), "insert_layer": elip.tower.insert_layer,
                      "keep_prompts": elip.keep_prompts},
            "fusion": asdict(self.fusion),
            "answers": [asdict(answer) for answer in self.answers],
            "record": dict(self.record),
        }  # fmt: skip

    @classmethod
    def load(cls, folder: str | os.PathLike[str], encoder: Encoder) -> Reranker:
        """Read what `save` wrote.

        Args:
            folder: of the re-ranker.
            encoder: the one it was trained for.

        Raises:
            ArtifactError: it is missing, damaged or of another schema.
            IndexMismatchError: it was trained for another encoder.
            ConfigError: the encoder takes no prompts.
        """
        written = read_record(folder)
        check_encoder(written["encoder"], encoder.spec, str(folder))
        try:
            shape, insert_layer = GuideShape.of(written["guide"]["shape"]), int(written["guide"]["insert_layer"])
            keep_prompts, fusion = bool(written["guide"]["keep_prompts"]), Fusion(**written["fusion"])
            answers = [Answer(**answer) for answer in written["answers"]]
            guide = Guide(shape)
            guide.load_state_dict(read_tensors(Path(folder) / _GUIDE)[0])
        except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
            raise ArtifactError(f"{folder} is no whole re-ranker: {type(error).__name__}: {error}") from error
        able = promptable(encoder)
        tower = able.visual_prompts(insert_layer, keep_prompts=keep_prompts)
        elip = Elip(able, tower, guide.to(tower.device).eval(), keep_prompts)
        return cls(encoder, elip, fusion, answers, written["record"])


def read_record(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a re-ranker's folder says of itself.

    Raises:
        ArtifactError: it is none, or damaged.
    """
    written = read_json(Path(folder) / _RECORD)
    schema = written.get("schema") if isinstance(written, dict) else None
    if schema != SCHEMA:
        raise ArtifactError(f"{folder} has schema {schema!r}; expected {SCHEMA!r}, a folder that Reranker.save wrote")
    missing = [name for name in ("encoder", "guide", "fusion", "answers", "record") if name not in written]
    if missing:
        raise ArtifactError(f"{folder}: {_RECORD} lacks {', '.join(missing)}")
    return dict(written)


def made_of(spec: EncoderSpec) -> str | None:
    """Digest of what an encoder is, apart from number format and library version; None where it does not say."""
    if not all(name in spec.details for name in _MAKES_AN_ENCODER):
        return None
    return hash_json({name: spec.details[name] for name in _MAKES_AN_ENCODER})


def check_encoder(written: Mapping[str, Any], spec: EncoderSpec, folder: str) -> None:
    """Make sure that a re-ranker was trained for this encoder; another number format is only said.

    Raises:
        IndexMismatchError: it was trained for another one.
    """
    if spec.fingerprint and spec.fingerprint == written["fingerprint"]:
        return
    same = made_of(spec)
    if same is None or same != written["made_of"]:
        raise IndexMismatchError(
            f"{folder} was trained for {written['name']} (fingerprint {str(written['fingerprint'])[:12]}), not for "
            f"{spec.name} ({spec.fingerprint[:12]}): its prompts would mean nothing there; load that encoder, or train "
            "a re-ranker for this one"
        )
    logger.warning(
        "%s was trained with %s in %s, not in %s or with another version of the library: measure it again",
        folder, written["name"], written["dtype"], spec.dtype,
    )  # fmt: skip


def _check_candidates(
    texts: Sequence[str], images: Sequence[ImageRef], candidates: NDArray[Any], scores: NDArray[Any]
) -> None:
    if candidates.ndim != 2 or candidates.shape != scores.shape or len(candidates) != len(texts):
        raise ShapeError(
            f"candidates have shape {candidates.shape} and scores {scores.shape} for {len(texts)} texts; expected "
            "(n_texts, k) twice"
        )
    if candidates.size and not (candidates.min() >= 0 and candidates.max() < len(images)):
        raise ShapeError(f"candidates name image {int(candidates.max())} of {len(images)}")
