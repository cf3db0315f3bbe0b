"""Our numbers of ELIP beside the published ones, as far as data and weights are there; what is not run is said."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.data.dataset import ImageTextDataset
from luneta.embedding import Embeddings
from luneta.errors import ConfigError, DatasetError, ImageError, did_you_mean
from luneta.evaluation import evaluate_embeddings, measure
from luneta.grids import Grid, as_text
from luneta.rerank.crossing import Crossed
from luneta.rerank.elip import Elip
from luneta.rerank.evaluation import rerank_depths
from luneta.rerank.fusion import Fusion
from luneta.rerank.honesty import Rescorer
from luneta.rerank.official import load_official
from luneta.rerank.published import BACKBONES, BENCHMARKS, CHECKPOINT, REPORTED, Benchmark, Numbers
from luneta.rerank.reranker import Reranker
from luneta.results import Evaluation, Metric
from luneta.types import Encoder, ImageRef, Matcher, PromptableEncoder, SkippedRow

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

SCHEMA = "luneta.reproduction/1"

NAMED = 3
"""Pictures that cannot be read, of each benchmark, that notes name."""

NO_DATA, NO_WEIGHTS = "no data", "no weights"

NOTES = (
    "Every caption is a query (25,010 of COCO; who takes five of each picture has 25,000), and only its own picture is "
    "right.",
    "Equal scores share their places; elsewhere they go by the order of the files.",
    "Pictures below the first k keep the encoder's order; the published evaluation takes 1000 off their scores, which "
    "comes to the same.",
    "Backbones are checkpoints of transformers with their own preprocessing; the published are of open_clip and LAVIS.",
)
_NOTE_B = (
    "Candidates are found by {encoder}, the published ones by BLIP-2's own contrastive scores: what is re-ranked is "
    "not the same. Our baseline is BLIP-2's matching of these candidates."
)
_NOTE_FLICKR = "On Flickr30k the authors' script for SigLIP looks at 50 candidates, the paper says 100."
_NOTE_GUESSED = "What is occluded was guessed from COCO's masks: this is not the authors' Occluded COCO."


@dataclass(frozen=True, slots=True)
class Line:
    """One number.

    Attributes:
        benchmark: its name.
        method: "baseline" or the variant.
        metric: which.
        ours: with its interval; None where it was not run.
        published: None where nobody published it, as far as we know.
        missing: why it was not run: "no data" or "no weights"; empty where it was.
        to_have: what to download for it.
        unlike: why the two are not to be held against each other; empty where they are.
    """

    benchmark: str
    method: str
    metric: str
    ours: Metric | None
    published: float | None
    missing: str = ""
    to_have: str = ""
    unlike: str = ""

    @property
    def within(self) -> bool | None:
        """Whether the published number lies in the interval of ours; None where there is none of both, or they are
        unlike."""
        if (
            self.unlike
            or self.ours is None
            or self.published is None
            or self.ours.low is None
            or self.ours.high is None
        ):
            return None
        return self.ours.low <= self.published <= self.ours.high


@dataclass(frozen=True, eq=False)
class Reproduction:
    """All of it.

    Attributes:
        variant: of ELIP.
        encoder: that finds the candidates.
        lines: every number of the paper's benchmarks, run or not.
        results: {benchmark: {method: evaluation}} of what was run; pictures that cannot be read, by the encoder or by
            what looks again, are in none of them, and in `skipped` of all.
        notes: what is not as in the paper.
    """

    variant: str
    encoder: str
    lines: Sequence[Line]
    results: Mapping[str, Mapping[str, Evaluation]]
    notes: Sequence[str]

    def grid(self) -> Grid:
        """Ours and theirs, line by line."""
        titles = {benchmark.name: benchmark.title for benchmark in BENCHMARKS}
        return Grid(
            title=f"{self.variant}: ours beside published",
            header=("benchmark", "", "", "ours", "95 % interval", "published", "difference", "in it"),
            rows=tuple(
                (titles[line.benchmark], line.method, line.metric, *_cells(line)) for line in self.lines
            ),
            notes=(*self.missing(), *self.skipped(), *self.unlike(), *self.notes),
            n_labels=3,
        )  # fmt: skip

    def missing(self) -> list[str]:
        """What was not run, and what it takes."""
        titles = {benchmark.name: benchmark.title for benchmark in BENCHMARKS}
        told = dict.fromkeys(
            (titles[line.benchmark] if line.missing == NO_DATA else line.method, line.missing, line.to_have)
            for line in self.lines if line.missing
        )  # fmt: skip
        return [f"{what} was not run ({missing}): {to_have}." for what, missing, to_have in told]

    def skipped(self) -> list[str]:
        """What could not be read, benchmark by benchmark."""
        titles = {benchmark.name: benchmark.title for benchmark in BENCHMARKS}
        told = []
        for name, results in self.results.items():
            rows = results["baseline"].skipped
            named = "; ".join(f"{row.source}: {row.reason}" for row in rows[:NAMED])
            more = f"; +{len(rows) - NAMED}" if len(rows) > NAMED else ""
            if rows:
                told.append(f"{titles[name]}: {len(rows)} left out, since they cannot be read ({named}{more}).")
        return told

    def unlike(self) -> list[str]:
        """What was run on something else than the paper has."""
        titles = {benchmark.name: benchmark.title for benchmark in BENCHMARKS}
        told = dict.fromkeys((titles[line.benchmark], line.unlike) for line in self.lines if line.unlike)
        return [f"{title}: not to be held against the published numbers: {why}." for title, why in told]

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.layouts import GridView

        return GridView(self.grid())

    def to_dict(self) -> dict[str, Any]:
        """Schema luneta.reproduction/1."""
        lines = [{**asdict(line), "within": line.within} for line in self.lines]
        skipped = {name: [asdict(row) for row in found["baseline"].skipped] for name, found in self.results.items()}
        return {"schema": SCHEMA, "variant": self.variant, "encoder": self.encoder, "lines": lines, "skipped": skipped,
                "notes": list(self.notes)}  # fmt: skip


def _cells(line: Line) -> tuple[str, ...]:
    published = "-" if line.published is None else f"{line.published:.4f}"
    if line.ours is None:
        return f"not run: {line.missing}", "", published, "", ""
    limits = "" if line.ours.low is None else f"{line.ours.low:.4f} to {line.ours.high:.4f}"
    if line.unlike:
        return f"{line.ours.value:.4f}", limits, published, "", "unlike"
    difference = "" if line.published is None else f"{line.ours.value - line.published:+.4f}"
    within = {None: "", True: "yes", False: "no"}[line.within]
    return f"{line.ours.value:.4f}", limits, published, difference, within


def reproduce_elip(
    encoder: Encoder,
    variant: str,
    datasets: Mapping[str, ImageTextDataset],
    *,
    weights: str | os.PathLike[str] | None = None,
    matcher: Callable[[float], Matcher] | None = None,
    cache: bool = True,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> Reproduction:
    """Measure what the paper measures, as far as there are data and weights, and put it beside what is published.

    The new score alone decides on the first k candidates, as in the paper; how far to believe it is not chosen here.

    Args:
        encoder: the backbone; of elip-b, what finds the candidates.
        variant: "elip-c", "elip-s", "elip-s2" or "elip-b".
        datasets: {benchmark: data} of those that are there: "coco", "flickr30k", "occluded-coco", "imagenet-r".
        weights: of the authors: a checkpoint, or a folder as they tell to arrange it (`VARIANT/original/*.pt`).
        matcher: of elip-b: gives the cross-encoder for a weight of its matching, which is 1 on COCO and Flickr30k and
            0.05 on the others.
        cache, max_bad_share, seed: as in `luneta.evaluate`.

    Raises:
        ConfigError: an unknown variant or benchmark, weights that do not fit, or elip-b without a matcher.
        DatasetError: data of another kind than the benchmark's, or too many pictures that cannot be read.
    """
    if variant not in REPORTED:
        raise ConfigError(f"{variant!r} has no published numbers. {did_you_mean(str(variant), REPORTED)}")
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    for name, data in datasets.items():
        if name not in known:
            raise ConfigError(f"unknown benchmark {name!r}. {did_you_mean(name, known)}")
        _check_kind(known[name], data)
    checkpoint = None if weights is None else find_weights(Path(weights), variant)
    run = _Run(encoder, variant, checkpoint, matcher, cache, max_bad_share, seed)
    results = {name: run.results(known[name], datasets[name]) for name in known if name in datasets}
    unlike = {name: _unlike(known[name], variant, encoder, result["baseline"]) for name, result in results.items()}
    lines = [
        replace(line, unlike=unlike.get(benchmark.name, ""))
        for benchmark in BENCHMARKS
        for line in _lines(benchmark, variant, results.get(benchmark.name))
    ]
    return Reproduction(variant, encoder.spec.name, lines, results, _notes(encoder, variant, datasets))


def nothing_run(variant: str, encoder: str) -> Reproduction:
    """What there is to do where there are no data: every published number, and what to download."""
    lines = [line for benchmark in BENCHMARKS for line in _lines(benchmark, variant, None)]
    return Reproduction(variant, encoder, lines, {}, [f"{variant} itself needs {CHECKPOINT}."])


def find_weights(path: Path, variant: str) -> Path | None:
    """The checkpoint of a variant: the file itself, or the one in `VARIANT/original/` below a folder.

    Returns:
        None where the folder holds nothing of the variant.

    Raises:
        ConfigError: there is nothing at all, or more than one checkpoint.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise ConfigError(f"no weights at {path}: expected a checkpoint, or a folder with {variant}/original/*.pt")
    for folder in (path / variant / "original", path / "elip_models" / variant / "original", path):
        found = sorted(file for file in folder.glob("*") if file.suffix in (".pt", ".pth", ".safetensors"))
        if len(found) > 1:
            raise ConfigError(f"{folder} holds several checkpoints: {', '.join(file.name for file in found)}; name one")
        if found:
            return found[0]
    return None


def _check_kind(benchmark: Benchmark, data: ImageTextDataset) -> None:
    if benchmark.judged and not data.judged:
        raise DatasetError(f"{data.name} holds captions; {benchmark.title} holds judged queries: make it with "
                           f"luneta build {benchmark.name}")  # fmt: skip
    if data.judged and not benchmark.judged:
        raise DatasetError(f"{data.name} holds judged queries; {benchmark.title} holds pictures with captions")


@dataclass
class _Run:
    """What does not change from benchmark to benchmark."""

    encoder: Encoder
    variant: str
    checkpoint: Path | None
    matcher: Callable[[float], Matcher] | None
    cache: bool
    max_bad_share: float
    seed: int
    _elips: dict[float, Elip] = field(default_factory=dict)
    _matchers: dict[float, Matcher] = field(default_factory=dict)

    def results(self, benchmark: Benchmark, data: ImageTextDataset) -> dict[str, Evaluation]:
        """{"baseline", variant}: what could be run."""
        found, embeddings = measure(
            self.encoder, data, duplicates="strict", cache=self.cache, max_bad_share=self.max_bad_share, seed=self.seed
        )
        k = benchmark.k[self.variant]
        by: dict[str, Rescorer] = {}
        if self.variant == "elip-b":
            by["baseline"] = Crossed(self._matcher(benchmark.weight))
        if self.checkpoint is not None:
            by[self.variant] = self._elip(benchmark.weight)
        rerankers = {method: Reranker(self.encoder, rescorer, Fusion(1.0, k)) for method, rescorer in by.items()}
        while True:
            runs = {
                method: rerank_depths(reranker, embeddings, found, (k,), cache=self.cache, seed=self.seed)
                for method, reranker in rerankers.items()
            }
            lost = sorted({index for run in runs.values() for index in run.lost})
            if not lost:
                return {"baseline": found, **{method: run.after[k] for method, run in runs.items()}}
            embeddings = _without(embeddings, lost, int(self.max_bad_share * data.n_images))
            again = evaluate_embeddings(embeddings, duplicates="strict", seed=self.seed)
            found = replace(again, checks=found.checks, cost=found.cost)

    def _matcher(self, weight: float) -> Matcher:
        if self.matcher is None:
            raise ConfigError("elip-b looks at candidates with BLIP-2: name the cross-encoder (--model)")
        if weight not in self._matchers:
            self._matchers[weight] = self.matcher(weight)
        return self._matchers[weight]

    def _elip(self, weight: float) -> Elip:
        if self.checkpoint is None:
            raise ConfigError("there are no weights")
        key = weight if self.variant == "elip-b" else 0.0
        if key in self._elips:
            return self._elips[key]
        able = self._matcher(weight) if self.variant == "elip-b" else self.encoder
        if not isinstance(able, PromptableEncoder | Matcher):
            raise ConfigError(f"{self.encoder.spec.name} takes no visual prompts: take the backbone of {self.variant}")
        self._elips[key] = load_official(self.checkpoint, able, self.variant)
        return self._elips[key]


def _without(embeddings: Embeddings, lost: Sequence[int], allowed: int) -> Embeddings:
    """The vectors of what is left when pictures that cannot be looked at again leave with their texts, as those that
    cannot be embedded do: their old scores are of another kind than the new ones of the others.

    Args:
        embeddings: of all.
        lost: indexes of pictures, ascending.
        allowed: so many may leave, those included that left before.

    Raises:
        DatasetError: more leave, or all.
    """
    data = embeddings.dataset
    rows = [SkippedRow(int(data.image_rows[i]), data.images[i].label, _why(data.images[i])) for i in lost]
    if len(lost) + len(embeddings.left_out) > allowed or len(lost) == data.n_images:
        named = "; ".join(f"{row.source}: {row.reason}" for row in rows[:NAMED])
        raise DatasetError(
            f"{data.name}: {len(lost)} pictures cannot be looked at again ({named}), and {allowed} may be missing at "
            "most. Repair or remove them, or raise max_bad_share"
        )
    images, texts = data.remaining(lost)
    asked_for = np.setdiff1d(np.arange(data.n_images + len(embeddings.left_out)), embeddings.left_out)
    left_out = tuple(sorted([*embeddings.left_out, *asked_for[list(lost)].tolist()]))
    return replace(
        embeddings, dataset=data.without_images(lost, skipped=rows), images=embeddings.images[images],
        texts=embeddings.texts[texts], left_out=left_out,
    )  # fmt: skip


def _why(picture: ImageRef) -> str:
    try:
        picture.open()
    except ImageError as error:
        return error.reason
    return "cannot be prepared for what looks at it again"


def _unlike(benchmark: Benchmark, variant: str, encoder: Encoder, found: Evaluation) -> str:
    """Why what was measured is not what the paper reports; empty where it is, as far as can be seen."""
    if benchmark.size is None:
        return ""
    has = int(found.dataset["n_images"]), int(found.dataset["n_texts"])
    reasons = []
    if has != benchmark.size:
        reasons.append("{:,} pictures and {:,} captions were measured, not {:,} and {:,}".format(*has, *benchmark.size))
    wanted = BACKBONES[variant].rsplit("/", 1)[-1]
    if variant != "elip-b" and encoder.spec.name.split("@")[0].rstrip("/").rsplit("/", 1)[-1] != wanted:
        reasons.append(f"the encoder is {encoder.spec.name}, theirs {BACKBONES[variant]}")
    return "; ".join(reasons)


def _lines(benchmark: Benchmark, variant: str, results: Mapping[str, Evaluation] | None) -> list[Line]:
    reported = REPORTED[variant].get(benchmark.name)
    lines = []
    for method in ("baseline", variant):
        published: Numbers = {}
        if reported is not None:
            published = reported.baseline if method == "baseline" else reported.elip
        result = None if results is None else results.get(method)
        missing = NO_DATA if results is None else "" if result is not None else NO_WEIGHTS
        to_have = {NO_DATA: benchmark.to_have, NO_WEIGHTS: CHECKPOINT, "": ""}[missing]
        for metric in benchmark.metrics:
            ours = None if result is None else result.metrics["text_to_image"][metric]
            lines.append(Line(benchmark.name, method, metric, ours, published.get(metric), missing, to_have))
    return lines


def _notes(encoder: Encoder, variant: str, datasets: Mapping[str, ImageTextDataset]) -> list[str]:
    notes = list(NOTES)
    if variant == "elip-b":
        notes.append(_NOTE_B.format(encoder=encoder.spec.name))
    if variant == "elip-s" and "flickr30k" in datasets:
        notes.append(_NOTE_FLICKR)
    occluded = datasets.get("occluded-coco")
    if occluded is not None and occluded.columns.get("occlusion") != "authors":
        notes.append(_NOTE_GUESSED)
    return notes
