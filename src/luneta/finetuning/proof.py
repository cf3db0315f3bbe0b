"""What a fine-tuning changed, measured on pictures that it neither learnt from nor decided by."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from luneta.artifacts import atomic_folder
from luneta.comparison import Comparison, compare
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ArtifactError, ConfigError
from luneta.evaluation import evaluate
from luneta.results import Evaluation, load_evaluation
from luneta.types import DIRECTIONS, Encoder


@dataclass(frozen=True)
class Proof:
    """Before and after on one data set.

    Attributes:
        name: of the data set, with split and language.
        learnt: whether its kind is what was learnt; else what was not to be forgotten.
        before, after: results.
    """

    name: str
    learnt: bool
    before: Evaluation
    after: Evaluation

    @property
    def dtype(self) -> str:
        """In which both were computed; `luneta.evaluate` gives the same numbers in the same, others in another."""
        return str(self.after.encoder["dtype"])

    @cached_property
    def comparison(self) -> Comparison:
        """After against before, query by query; each under a name of its own."""
        return compare([_named(self.before, "before"), _named(self.after, "after")])

    def pictured(self, encoders: Sequence[Encoder], data: ImageTextDataset, max_bad_share: float) -> Proof:
        """The same with the pictures that results which were read from files lack.

        Args:
            encoders: before and after.
            data: as it was given.
            max_bad_share: of its pictures, more that cannot be read are too many.

        Raises:
            ConfigError: it was measured on other data.
            DatasetError: too many pictures cannot be read.
        """
        results = []
        for result, encoder in zip((self.before, self.after), encoders, strict=True):
            seen = evaluate(encoder, data, max_bad_share=max_bad_share)
            if seen.protocol["hash"] != result.protocol["hash"]:
                raise ConfigError(f"{self.name} was measured on other data than {data.name}")
            results.append(replace(result, data=seen.data, exhibits=seen.exhibits))
        return replace(self, before=results[0], after=results[1])

    def to_dict(self) -> dict[str, Any]:
        """What it was measured on and how, recall@1 before, after, and the paired difference."""
        found: dict[str, Any] = {
            "name": self.name, "learnt": self.learnt, "protocol": self.after.protocol["hash"], "dtype": self.dtype,
            "recall@1": {},
        }  # fmt: skip
        for direction in DIRECTIONS:
            before, after = (result.metrics[direction]["recall@1"].value for result in (self.before, self.after))
            change = self.comparison.difference(direction, "recall@1", 1, 0)
            found["recall@1"][direction] = {
                "before": before, "after": after, "difference": change.value, "low": change.low, "high": change.high,
            }  # fmt: skip
        return found


def _named(result: Evaluation, name: str) -> Evaluation:
    return replace(result, encoder={**result.encoder, "name": name})


def data_name(data: ImageTextDataset) -> str:
    """A data set's name without the folders of this machine, which may end in a file.

    Only what comes from the hub has a revision, and keeps its owner.
    """
    return data.name if data.revision else data.name.rstrip("/").rpartition("/")[2]


def names_of(datasets: Sequence[ImageTextDataset], reserved: Sequence[str] = ()) -> list[str]:
    """What each is called in tables: its name, split and language, and a number where that is taken."""
    names: list[str] = []
    for data in datasets:
        name = " ".join(part for part in (data_name(data), data.split, data.language) if part)
        numbered = itertools.chain([name], (f"{name} ({n})" for n in itertools.count(2)))
        names.append(next(one for one in numbered if one not in (*reserved, *names)))
    return names


def save_proofs(proofs: Sequence[Proof], folder: Path) -> None:
    """Write both results of every proof, NAME.before.json and NAME.after.json.

    Raises:
        ArtifactError: they cannot be written.
    """
    with atomic_folder(folder) as new:
        for number, proof in enumerate(proofs, start=1):
            for result, path in zip((proof.before, proof.after), _files(new, number, proof.name), strict=True):
                result.save(path)


def load_proofs(told: Sequence[Mapping[str, Any]], folder: Path) -> list[Proof]:
    """Read what `save_proofs` wrote; results hold no pictures.

    Args:
        told: what `Proof.to_dict` says of each.
        folder: of the results.

    Raises:
        ArtifactError: a result is missing, damaged, or of another protocol than is said.
    """
    proofs = []
    for number, said in enumerate(told, start=1):
        results = [load_evaluation(path) for path in _files(folder, number, str(said["name"]))]
        proof = Proof(str(said["name"]), bool(said["learnt"]), *results)
        if any(result.protocol["hash"] != said["protocol"] for result in results):
            raise ArtifactError(f"{folder} holds other results of {proof.name} than the fine-tuning says")
        proofs.append(proof)
    return proofs


def _files(folder: Path, number: int, name: str) -> list[Path]:
    """Of the results of a proof, before and after."""
    stem = f"{number}-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}"
    return [folder / f"{stem}.{when}.json" for when in ("before", "after")]
