"""Fine-tuning in miniature: what four methods teach the built-in encoders, what that costs, what they forget.

The encoders know English captions of flat drawings. They learn Portuguese, then sketches, by each method; and with the
stamps (real pictures) what a few hundred pairs can teach. Every number is measured on pictures that were not learnt
from, before and after, paired by query. The tables are those of EXPERIMENTS.md.

    python scripts/miniature.py --out miniature                                   # a quarter of an hour on two cores
    python scripts/miniature.py --out miniature --stamps ../shared/data/stamps    # real pictures too
    python scripts/miniature.py --out miniature --only portuguese --methods lit
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import luneta
from luneta.data.dataset import ImageTextDataset
from luneta.data.joining import join_datasets
from luneta.finetuning import FineTuning, Recipe
from luneta.grids import Grid

N_TRAIN = 6000
N_STEPS = 200
METHODS = ("full", "lora", "lit", "head")
RATES = {"full": 5e-4, "lora": 5e-3, "lit": 1e-3, "head": 5e-3}
"""Far above the defaults, which are for models a hundred times larger."""

STAMP_STEPS, STAMP_RATES = 60, {**RATES, "full": 1e-4}
"""At 5e-4 the vectors of luneta-mini-siglip collapse on so few pictures, and the training stops."""


@dataclass(frozen=True)
class Lesson:
    """What is learnt, and on what it is proved.

    Attributes:
        name: of the lesson.
        encoder: that learns.
        train, validation: what it learns from and what decides.
        test, keep: as `luneta.finetune` takes them.
        recipe: how.
        allowed_loss: how much of `keep` may be forgotten; 1 shows how much is.
    """

    name: str
    encoder: str
    train: ImageTextDataset
    validation: ImageTextDataset | None
    test: Sequence[ImageTextDataset]
    keep: Sequence[ImageTextDataset]
    recipe: Recipe
    allowed_loss: float = 0.03


def cenas(split: str, language: str, style: str = "flat", limit: int | None = None) -> ImageTextDataset:
    source = "cenas" if style == "flat" else f"cenas/{style}"
    return luneta.open_dataset(source, split=split, language=language, limit=limit)


def portuguese(methods: Sequence[str]) -> Iterator[Lesson]:
    """From English captions to English and Portuguese ones of the same flat drawings."""
    train = join_datasets([cenas("train", language, limit=N_TRAIN) for language in ("pt-BR", "en")])
    test = [cenas("test", language) for language in ("pt-BR", "en")]
    for method in methods:
        yield Lesson(
            f"portuguese-{method}", "luneta-mini", train, cenas("val", "pt-BR", limit=500), test,
            [cenas("val", "en")], recipe_of(method, locked="image"),
        )  # fmt: skip


def sketches(methods: Sequence[str]) -> Iterator[Lesson]:
    """From flat drawings to sketches and flat drawings, in English."""
    styles = [cenas("train", "en", style, limit=N_TRAIN // 2) for style in ("sketch", "flat")]
    test = [cenas("test", "en", style) for style in ("sketch", "flat")]
    for method in methods:
        yield Lesson(
            f"sketches-{method}", "luneta-mini", join_datasets(styles), cenas("val", "en", "sketch", limit=500), test,
            [cenas("val", "en")], recipe_of(method, locked="text"),
        )  # fmt: skip


def stamps(folder: str, methods: Sequence[str]) -> Iterator[Lesson]:
    """What some 450 pairs of real pictures and captions teach; groups are never divided."""
    for language in ("en", "pt-BR"):
        data = luneta.open_dataset(folder, text=language)
        parts = data.divide(val=0.1, test=0.25, seed=0, groups=luneta.find_groups(data))
        for encoder in ("luneta-mini", "luneta-mini-siglip"):
            for method in methods:
                recipe = Recipe(
                    method=method, steps=STAMP_STEPS, batch_size=128, learning_rate=STAMP_RATES[method], validations=6
                )
                yield Lesson(f"stamps-{language}-{encoder}-{method}", encoder, parts.train, parts.val, [parts.test],
                             [cenas("val", "en", limit=600)], recipe, allowed_loss=1.0)  # fmt: skip


def recipe_of(method: str, locked: str) -> Recipe:
    heavy = {"full": 2, "lora": 2, "lit": 2 if locked == "text" else 1, "head": 0}[method]  # the image tower costs most
    return Recipe(
        method=method,  # type: ignore[arg-type]
        locked=locked if method == "lit" else None,  # type: ignore[arg-type]
        steps=N_STEPS if method != "head" else 4 * N_STEPS,
        batch_size=(1024, 256, 128)[heavy],
        learning_rate=RATES[method],
        precision="float32",
        validations=5,
    )


def learn(lesson: Lesson, out: Path) -> FineTuning:
    encoder = luneta.load_encoder(lesson.encoder, dtype="float32")
    return luneta.finetune(
        encoder, lesson.train, out=out / lesson.name, recipe=lesson.recipe, validation=lesson.validation,
        test=lesson.test, keep=lesson.keep, near=False, allowed_loss=lesson.allowed_loss,
    )  # fmt: skip


def row(lesson: Lesson, found: FineTuning, processor_s: float) -> list[str]:
    cells = [lesson.name, f"{found.chosen.alpha:g}", f"{float(found.cost['wall_s']):.0f}", f"{processor_s:.0f}"]
    for proof in found.proofs[:2]:
        before, after = (result.metrics["text_to_image"]["recall@1"].value for result in (proof.before, proof.after))
        change = proof.comparison.difference("text_to_image", "recall@1", 1, 0)
        limits = "" if change.low is None else f" ({change.low:+.3f} to {change.high:+.3f})"
        cells.append(f"{proof.name}: {before:.3f} -> {after:.3f}{limits}")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints and tables")
    parser.add_argument("--stamps", help="folder of the stamps")
    parser.add_argument("--only", choices=("portuguese", "sketches", "stamps"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wanted = {"portuguese": portuguese, "sketches": sketches}
    lessons = [lesson for name, teach in wanted.items() if arguments.only in (None, name)
               for lesson in teach(arguments.methods)]  # fmt: skip
    if arguments.stamps and arguments.only in (None, "stamps"):
        lessons += stamps(arguments.stamps, arguments.methods)
    known = arguments.out / "rows.json"
    rows: dict[str, list[str]] = json.loads(known.read_text()) if known.is_file() else {}
    for lesson in lessons:
        if lesson.name not in rows:  # else it was learnt before this was stopped
            start = time.process_time()
            found = learn(lesson, arguments.out)
            rows[lesson.name] = row(lesson, found, time.process_time() - start)
            known.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
        print(" | ".join(rows[lesson.name]), flush=True)
    header = ("lesson", "alpha", "seconds", "of processor", "text to image recall@1", "and")
    print(Grid("Fine-tuning in miniature", header, tuple(map(tuple, rows.values()))).write("markdown"))


if __name__ == "__main__":
    main()
