"""What the making of a re-ranker came to: the choice, the answers, the proof; in its folder, and read again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from luneta.artifacts import write_json
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ArtifactError, ConfigError
from luneta.evaluation import embed_cached, evaluate_embeddings
from luneta.finetuning.claims import read_result
from luneta.grids import as_text
from luneta.rerank.choosing import Choice, Trial
from luneta.rerank.early_exit import EarlyExit
from luneta.rerank.evaluation import Reranking
from luneta.rerank.fusion import Fusion
from luneta.rerank.honesty import Answer
from luneta.rerank.kinds import INSIDE
from luneta.rerank.reranker import Reranker
from luneta.results import load_evaluation
from luneta.stats import Interval
from luneta.types import CrossEncoder, Encoder

if TYPE_CHECKING:
    from rich.console import RenderableType

_NEEDED = ("fusion", "gain", "trials", "chosen", "answers", "test", "cost")
_BEFORE, _AFTER = "before.json", "after.json"


@dataclass(frozen=True, eq=False)
class Outcome:
    """A re-ranker, and why it is used as it is.

    Attributes:
        folder: of the re-ranker, as `Reranker.load` takes it.
        reranker: it; where nothing was gained it changes nothing.
        choice: how far to believe it, and what else was tried.
        answers: whether it does what it says.
        test: before and after on the test part; None where there was none.
        cost: of everything.
    """

    schema: ClassVar[str]
    result: ClassVar[str]
    """File in its folder, which is written last."""

    folder: Path
    reranker: Reranker
    choice: Choice
    answers: Sequence[Answer]
    test: Reranking | None
    cost: Mapping[str, Any]

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.rerank.tables import trained_view

        return trained_view(self)

    def to_dict(self) -> dict[str, Any]:
        """All but the results of the proof, which have files of their own."""
        choice = self.choice
        return {
            "schema": self.schema,
            "fusion": asdict(self.reranker.fusion),
            "gain": asdict(choice.gain),
            "trials": [asdict(trial) for trial in choice.trials],
            "early_exits": [asdict(tried) for tried in choice.early_exits],
            "chosen": {"fusion": asdict(choice.fusion), "value": choice.value, "metric": choice.metric},
            "answers": [asdict(answer) for answer in self.answers],
            "test": None if self.test is None else dict(self.test.cost),
            "cost": dict(self.cost),
            **{name: getattr(self, name) for name in self._own()},
        }

    @classmethod
    def _own(cls) -> list[str]:
        """What a kind of making has beside that, as it is in the file."""
        return [field.name for field in fields(cls)[len(fields(Outcome)) :]]

    def save(self) -> None:
        """Write everything beside the re-ranker; last the record that says that all of it is there.

        Raises:
            ArtifactError: it cannot be written.
        """
        out = self.folder.parent
        if self.test is not None:
            self.test.before.save(out / _BEFORE)
            self.test.after.save(out / _AFTER)
        write_json(out / self.result, self.to_dict())

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], encoder: Encoder, *, cross_encoder: CrossEncoder | None = None
    ) -> Self:
        """Read what the making of a re-ranker has left in a folder. Results that were read hold no pictures.

        Args:
            folder: that was given as `out`.
            encoder, cross_encoder: as `Reranker.load` takes them.

        Raises:
            ArtifactError: none has ended there, a file is damaged, or it was written by a version that kept less.
            IndexMismatchError, ConfigError: as `Reranker.load`.
        """
        folder = Path(folder)
        path, own = folder / cls.result, cls._own()
        said = read_result(path, cls.schema, [*_NEEDED, *own])
        try:
            used, choice = Fusion(**said["fusion"]), _choice(said)
            answers = [Answer(**answer) for answer in said["answers"]]
        except (KeyError, TypeError, ConfigError) as error:
            raise ArtifactError(f"{path} is not whole: {type(error).__name__}: {error}") from error
        reranker = Reranker.load(folder / INSIDE, encoder, cross_encoder=cross_encoder)
        if reranker.fusion != used:
            raise ArtifactError(f"{folder / INSIDE} is another re-ranker than the one that {path} speaks of")
        proof = None
        if said["test"] is not None:
            before, after = (load_evaluation(folder / name) for name in (_BEFORE, _AFTER))
            proof = Reranking(before, after, said["test"])
        return cls(
            folder / INSIDE, reranker, choice, answers, proof, said["cost"], **{name: said[name] for name in own}
        )

    def pictured(self, test: ImageTextDataset | None, *, max_bad_share: float = 0.01) -> Self:
        """The same with the pictures of its proof, which one that was read from a folder lacks.

        Args:
            test: the test part, as it was given.
            max_bad_share: as it was given.

        Raises:
            ConfigError: it was measured on other data.
            DatasetError: too many pictures cannot be read.
        """
        if test is None or self.test is None or self.test.before.data is not None:
            return self
        seen = evaluate_embeddings(embed_cached(self.reranker.encoder, test, max_bad_share=max_bad_share))
        before, after = self.test.before, self.test.after
        if seen.protocol["hash"] != before.protocol["hash"]:
            raise ConfigError(f"{test.name} is not what the re-ranker was measured on ({before.dataset['name']})")
        before = replace(before, data=seen.data, exhibits=seen.exhibits)
        return replace(self, test=Reranking(before, replace(after, data=seen.data), self.test.cost))


def _choice(said: Mapping[str, Any]) -> Choice:
    trials = [
        Trial(Fusion(**trial["fusion"]), trial["value"], Interval(**trial["gain"])) for trial in said["trials"]
    ]  # fmt: skip
    exits = [
        EarlyExit(**{**tried, **{name: Interval(**tried[name]) for name in ("change", "gain")}})
        for tried in said.get("early_exits", ())
    ]
    chosen = said["chosen"]
    fusion, gain = Fusion(**chosen["fusion"]), Interval(**said["gain"])
    return Choice(fusion, chosen["value"], gain, trials, chosen["metric"], exits)
