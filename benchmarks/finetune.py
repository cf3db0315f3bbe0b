"""Training steps: Luneta's methods against the tutorial's loop and sentence-transformers' trainer.

All train the same ViT-B/32 CLIP with random weights (its speed is that of trained ones) on the same JPEG files and
captions, in float32 and, where the processor computes it, in bfloat16. A contestant does a few steps; reported are the
pairs a second of its median step, data loading included, the first step left out. Rounds are interleaved and the best
of each is kept, because other work on the machine only ever adds time.

    python benchmarks/finetune.py             # batches of 32 and 64; about a quarter of an hour on two cores
    python benchmarks/finetune.py --quick     # batches of 8, one round, to see that it runs
    python benchmarks/finetune.py --memory    # peak memory of batches of 1024 pairs, of which 64 fit, against 64
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _encoders import make_captions, make_checkpoint, make_pictures
from _metrics import peak_bytes, reset_peak

N_STEPS = 4
Contestant = Callable[[Path, list[Path], list[str], int], float]
"""(checkpoint, files, captions, batch) -> seconds a step."""


def clock() -> tuple[Any, list[float]]:
    """A callback for any Trainer, and the times at which its steps end."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    return Clock(), ends


def seconds_a_step(ends: list[float]) -> float:
    return statistics.median(after - before for before, after in itertools.pairwise(ends))


# --- contestants ------------------------------------------------------------------------------------------------------


def tutorial(checkpoint: Path, files: list[Path], captions: list[str], batch: int) -> float:
    """transformers' Trainer as tutorials write it: the processor pads every caption to 77, the model has its loss."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel, Trainer, TrainingArguments

    model = CLIPModel.from_pretrained(checkpoint)
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def collate(rows: list[int]) -> dict[str, Any]:
        pictures = [Image.open(files[row]).convert("RGB") for row in rows]
        texts = tokenizer([captions[row] for row in rows], padding="max_length", truncation=True, return_tensors="pt")
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "input_ids": texts["input_ids"], "attention_mask": texts["attention_mask"],
                "return_loss": True}  # fmt: skip

    watch, ends = clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=N_STEPS, per_device_train_batch_size=batch, learning_rate=1e-5, report_to="none",
            save_strategy="no", disable_tqdm=True, use_cpu=True, remove_unused_columns=False, dataloader_drop_last=True,
        )  # fmt: skip
        torch.manual_seed(0)
        Trainer(
            model, arguments, train_dataset=list(range(len(files))), data_collator=collate, callbacks=[watch]
        ).train()
    return seconds_a_step(ends)


def sentence_transformers(precision: str) -> Contestant:
    """Its trainer with its contrastive loss, on pictures that are opened for it."""

    def run(checkpoint: Path, files: list[Path], captions: list[str], batch: int) -> float:
        return _sentence_transformers(checkpoint, files, captions, batch, precision == "bfloat16")

    return run


def _sentence_transformers(
    checkpoint: Path, files: list[Path], captions: list[str], batch: int, bfloat16: bool
) -> float:
    from datasets import Dataset, Image
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import CLIPModel

    model = SentenceTransformer(modules=[CLIPModel(str(checkpoint))], device="cpu")
    rows = Dataset.from_dict({"image": [str(path) for path in files], "text": captions}).cast_column("image", Image())
    watch, ends = clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder, max_steps=N_STEPS, per_device_train_batch_size=batch, learning_rate=1e-5, report_to="none",
            save_strategy="no", disable_tqdm=True, use_cpu=True, dataloader_drop_last=True, bf16=bfloat16,
        )  # fmt: skip
        SentenceTransformerTrainer(
            model, arguments, train_dataset=rows, loss=MultipleNegativesRankingLoss(model), callbacks=[watch]
        ).train()
    return seconds_a_step(ends)


def luneta(method: str, precision: str, **choices: Any) -> Contestant:
    """`luneta.finetune`'s training with a method; features of locked towers are computed before the clock starts."""

    def run(checkpoint: Path, files: list[Path], captions: list[str], batch: int) -> float:
        import numpy as np

        import luneta
        from luneta.finetuning import trainer as module
        from luneta.finetuning.recipe import Recipe
        from luneta.finetuning.training import Training
        from luneta.finetuning.validation import Validation

        table = files[0].parent / "pairs.jsonl"
        table.write_text("".join(
            json.dumps({"image": path.name, "text": caption}) + "\n"
            for path, caption in zip(files, captions, strict=True)
        ))  # fmt: skip
        data = luneta.open_dataset(table, image="image", text="text")
        n_steps = 200 if method == "head" else 20 if method == "lit" else N_STEPS
        recipe = Recipe(method=method, steps=n_steps, batch_size=batch, validations=1, precision=precision, **choices)  # type: ignore[arg-type]
        trainable = luneta.load_encoder(str(checkpoint), dtype="float32").trainable()
        few = data.without_images(range(8, data.n_images))
        ends: list[float] = []
        original = module.TemperatureLimit.on_step_end

        def timed(self: Any, *positional: Any, **named: Any) -> None:
            original(self, *positional, **named)
            ends.append(time.perf_counter())

        module.TemperatureLimit.on_step_end = timed  # the first callback of a step's end
        try:
            with tempfile.TemporaryDirectory() as folder:
                validation = Validation(trainable, few, recipe.cached)
                Training(trainable, data, np.arange(data.n_images), validation, recipe, Path(folder)).run()
        finally:
            module.TemperatureLimit.on_step_end = original
        return seconds_a_step(ends)

    return run


CONTESTANTS: dict[str, dict[str, Contestant]] = {
    "float32": {"tutorial loop": tutorial},
    "bfloat16": {},
}
"""By the precision of their products of matrices."""
for _precision, _contestants in CONTESTANTS.items():
    _contestants["sentence-transformers"] = sentence_transformers(_precision)
    for _method in ("full", "lora", "lit", "head"):
        _contestants[f"luneta {_method}"] = luneta(_method, _precision)


# --- measuring --------------------------------------------------------------------------------------------------------


def worker(precision: str, name: str, folder: Path, batch: int) -> None:
    """One run of one contestant in a process of its own."""
    files = sorted(folder.glob("pictures/*.jpg"))
    captions = json.loads((folder / "captions.json").read_text())
    print(json.dumps(CONTESTANTS[precision][name](folder / "checkpoint", files, captions, batch)))


def memory(precision: str, folder: Path, batch: int, micro_batch: int) -> None:
    """The growth of the resident peak by an epoch, after which all pictures are kept, whatever the batch."""
    files = sorted(folder.glob("pictures/*.jpg"))
    captions = json.loads((folder / "captions.json").read_text())
    global N_STEPS
    N_STEPS = len(files) // batch
    before = reset_peak()
    luneta("full", precision, micro_batch=micro_batch)(folder / "checkpoint", files, captions, batch)
    print(json.dumps(peak_bytes() - before))


def ask(arguments: list[str]) -> float:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def make_problem(folder: Path, n: int) -> None:
    make_pictures(folder / "pictures", n)
    captions = make_captions(n)
    (folder / "captions.json").write_text(json.dumps(captions))
    make_checkpoint(folder / "checkpoint", make_captions(4000, seed=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and once, to see that it runs")
    parser.add_argument("--memory", action="store_true", help="memory of large batches in parts, instead of speed")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--micro-batch", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    if arguments.worker == "memory":
        memory(arguments.precision, arguments.folder, arguments.batch, arguments.micro_batch)
    elif arguments.worker:
        worker(arguments.precision, arguments.worker, arguments.folder, arguments.batch)
    elif arguments.memory:
        compare_memory(64 if arguments.quick else 1024, 8 if arguments.quick else 64)
    else:
        race([8] if arguments.quick else [32, 64], rounds=1 if arguments.quick else 3)


def compare_memory(batch: int, micro_batch: int) -> None:
    precision = precisions()[-1]
    with tempfile.TemporaryDirectory() as name:
        make_problem(Path(name), 2 * batch)
        shared = ["--worker", "memory", "--folder", name, "--micro-batch", str(micro_batch), "--precision", precision]
        small, large = (ask([*shared, "--batch", str(n)]) / 2**20 for n in (micro_batch, batch))
    print(f"peak memory of an epoch of {2 * batch} pairs in {precision}: {small:,.0f} MiB in batches of {micro_batch}, "
          f"{large:,.0f} MiB in batches of {batch} with micro_batch={micro_batch}: {large / small:.2f}x")  # fmt: skip


def race(batches: list[int], rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        make_problem(Path(name), 4 * max(batches))
        for batch in batches:
            best: dict[tuple[str, str], float] = {}
            for _ in range(rounds):
                for who in [(precision, one) for precision in precisions() for one in CONTESTANTS[precision]]:
                    precision, contestant = who
                    seconds = ask(["--precision", precision, "--worker", contestant, "--folder", name,
                                   "--batch", str(batch)])  # fmt: skip
                    best[who] = min(seconds, best.get(who, seconds))
            print(f"\nbatches of {batch:3}{'':19}{'pairs/s':>11}{'x tutorial':>12}{'x sentence-transformers':>26}")
            for (precision, contestant), seconds in best.items():
                ratios = [best[peer] / seconds for peer in (("float32", "tutorial loop"),
                                                            (precision, "sentence-transformers"))]  # fmt: skip
                print(f"  {contestant:24}{precision:9}{batch / seconds:11.1f}{ratios[0]:12.2f}{ratios[1]:26.2f}")


def precisions() -> list[str]:
    """Those that this processor computes at speed."""
    import torch

    from luneta.encoders.precision import computes_bfloat16

    return ["float32", "bfloat16"] if computes_bfloat16(torch.device("cpu")) else ["float32"]


if __name__ == "__main__":
    main()
