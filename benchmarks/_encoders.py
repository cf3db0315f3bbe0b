"""Pictures and texts to vectors: Luneta against a plain transformers loop and sentence-transformers.

All three run the same ViT-B/32 CLIP with random weights (its speed is that of trained ones) on the same JPEG files and
captions, each with its own defaults: the peers compute in float32, Luneta in what `dtype="auto"` takes on this machine.
Rounds are interleaved (A B C A B C ...) and the best of each is reported, because other work on the machine only ever
adds time. Beside the rates stands what the hardware allows: the matrix products of a picture or text at the speed of a
large product measured in the same run.

    python benchmarks/_encoders.py            # 192 pictures and 768 texts a round, three rounds
    python benchmarks/_encoders.py --quick    # 32 and 128, one round
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for the tokenizer's maker

GFLOP_IMAGE = 8.8  # ViT-B/32 at 224 pixels, products only
GFLOP_TOKEN = 0.0775  # its text tower, a token
Contestant = Callable[[Sequence[Any]], Any]


# --- what is embedded -------------------------------------------------------------------------------------------------


def make_pictures(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """JPEGs of 640 x 480 with detail at every scale, about 100 KB each, as a camera's are."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(n):
        pixels = np.zeros((480, 640, 3))
        for cells, strength in ((3, 70), (9, 50), (30, 30), (90, 18), (320, 10)):
            coarse = rng.integers(0, 256, (cells * 3 // 4 + 1, cells, 3), dtype=np.uint8)
            layer = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
            pixels += (np.asarray(layer, dtype=float) - 128) / 128 * strength
        pixels += rng.normal(0, 4, pixels.shape)
        paths.append(folder / f"{index:05d}.jpg")
        Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def make_captions(n: int, seed: int = 0) -> list[str]:
    """Captions of 6 to 20 words, 11.7 on average, like those of photo collections."""
    rng = np.random.default_rng(seed)
    words = (
        "a the man woman dog red blue small old two three young group of people children in on near under beside "
        "with and street beach table water grass tree house car boat bicycle horse ball hat shirt sitting standing "
        "riding walking holding looking playing green yellow black white wooden large city park kitchen snow"
    )
    vocabulary = np.array(words.split())
    lengths = np.clip(rng.normal(11.7, 3.0, n).round(), 6, 20).astype(int)
    return [" ".join(rng.choice(vocabulary, length)) for length in lengths]


def make_checkpoint(folder: Path, captions: list[str]) -> Path:
    """ViT-B/32 CLIP as transformers configures it, with random weights and a tokenizer of its own."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from checkpoints import clip_tokenizer

    torch.manual_seed(0)
    tokenizer = clip_tokenizer(captions, vocabulary_size=4000, context=77)
    config = CLIPConfig(text_config={"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id})
    for part in (CLIPModel(config), tokenizer, CLIPImageProcessorPil()):
        part.save_pretrained(folder)
    return folder


# --- contestants ------------------------------------------------------------------------------------------------------


def plain_loop(checkpoint: Path, batch: int = 32) -> tuple[Contestant, Contestant]:
    """What a person writes after reading the documentation: batches, no gradients, float32."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def vectors(batches: list[Any]) -> np.ndarray:
        found = torch.cat(batches)
        return (found / found.norm(dim=1, keepdim=True)).numpy()

    @torch.inference_mode()
    def images(paths: Sequence[Path]) -> np.ndarray:
        found = []
        for start in range(0, len(paths), batch):
            pictures = [Image.open(path).convert("RGB") for path in paths[start : start + batch]]
            inputs = processor(images=pictures, return_tensors="pt")
            found.append(model.get_image_features(**inputs).pooler_output)
        return vectors(found)

    @torch.inference_mode()
    def texts(captions: Sequence[str]) -> np.ndarray:
        found = []
        for start in range(0, len(captions), batch):
            chosen = list(captions[start : start + batch])
            inputs = tokenizer(chosen, padding=True, truncation=True, return_tensors="pt")
            found.append(model.get_text_features(**inputs).pooler_output)
        return vectors(found)

    return images, texts


def sentence_transformers(checkpoint: Path) -> tuple[Contestant, Contestant]:
    """Its own loop with its own defaults, on pictures that are opened for it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import CLIPModel

    model = SentenceTransformer(modules=[CLIPModel(str(checkpoint))], device="cpu")

    def images(paths: Sequence[Path]) -> np.ndarray:
        pictures = [Image.open(path).convert("RGB") for path in paths]
        return model.encode(pictures, normalize_embeddings=True, show_progress_bar=False)

    def texts(captions: Sequence[str]) -> np.ndarray:
        return model.encode(list(captions), normalize_embeddings=True, show_progress_bar=False)

    return images, texts


def luneta(encoder: Any) -> tuple[Contestant, Contestant]:
    """`luneta.embed` from files, keys of the contents and all; and the encoder's own `encode_texts`."""
    import luneta as package

    def images(paths: Sequence[Path]) -> np.ndarray:
        table = Path(paths[0]).parent / "pictures.jsonl"
        table.write_text("".join(json.dumps({"image": path.name, "text": "a picture"}) + "\n" for path in paths))
        return package.embed(encoder, package.open_dataset(table, image="image", text="text")).images

    return images, encoder.encode_texts


# --- measurements -----------------------------------------------------------------------------------------------------


def rates(contestants: dict[str, Contestant], items: Sequence[Any], rounds: int) -> dict[str, dict[str, float]]:
    """Items a second and processor milliseconds an item of each, the best of interleaved rounds.

    Everybody is warmed up, and must agree. Processor time is what to look at where other work shares the machine.
    """
    wall: dict[str, list[float]] = {name: [] for name in contestants}
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    found = {name: contestant(items[:32]) for name, contestant in contestants.items()}
    for name, vectors in found.items():
        cosines = np.sum(vectors * found["plain loop"], axis=1)
        if cosines.min() < 0.999:
            raise SystemExit(f"{name} gives other vectors than the plain loop: cosine {cosines.min():.4f}")
    for _ in range(rounds):
        for name, contestant in contestants.items():
            start, used = time.perf_counter(), time.process_time()
            contestant(items)
            wall[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
    return {
        name: {"per_s": len(items) / min(wall[name]), "cpu_ms": min(processor[name]) / len(items) * 1e3}
        for name in contestants
    }


def preprocessing(paths: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    """Milliseconds a decoded picture, ours against the library's Pillow back end, and how far apart the pixels are."""
    import transformers

    from luneta.encoders.preprocessing import preparation_of

    recipes = {
        "CLIP 224": transformers.CLIPImageProcessorPil(),
        "SigLIP 224": transformers.SiglipImageProcessorPil(),
        "SigLIP 2 256": transformers.SiglipImageProcessorPil(size={"height": 256, "width": 256}, resample=2),
        "SigLIP 2 NaFlex": transformers.Siglip2ImageProcessorPil(),
    }
    pictures = [Image.open(path).convert("RGB") for path in paths]
    rows = []
    for name, processor in recipes.items():
        ours = preparation_of(processor)
        contestants = {
            "library": lambda processor=processor: processor(images=pictures, return_tensors="pt"),
            "luneta": lambda ours=ours: ours.collate([ours.prepare(picture) for picture in pictures]),
        }
        batches = {key: contestant() for key, contestant in contestants.items()}
        apart = (batches["luneta"]["pixel_values"] - batches["library"]["pixel_values"]).abs().max().item()
        best = {key: float("inf") for key in contestants}
        for _ in range(rounds):
            for key, contestant in contestants.items():
                start = time.perf_counter()
                contestant()
                best[key] = min(best[key], (time.perf_counter() - start) / len(pictures) * 1e3)
        row = {"recipe": name, "library_ms": best["library"], "luneta_ms": best["luneta"], "max_difference": apart}
        rows.append(row | {"ratio": row["library_ms"] / row["luneta_ms"]})
    return rows


def gflops(dtype: str, rounds: int = 5) -> float:
    """Speed of a matrix product of the image tower's shape, in 10^9 operations a second."""
    import torch

    rows, inner, columns = 1600, 768, 3072
    a, b = torch.randn(rows, inner).to(getattr(torch, dtype)), torch.randn(inner, columns).to(getattr(torch, dtype))
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * columns / best / 1e9


def measure(*, n_images: int, n_texts: int, rounds: int) -> dict[str, Any]:
    """Everything this module measures, as one JSON value."""
    import torch

    from luneta import load_encoder

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        captions = make_captions(n_texts)
        checkpoint = make_checkpoint(folder / "checkpoint", captions)
        paths = make_pictures(folder / "pictures", n_images)
        encoder: Any = load_encoder(checkpoint)
        plain, theirs, ours = plain_loop(checkpoint), sentence_transformers(checkpoint), luneta(encoder)
        names = ("plain loop", "sentence-transformers", "luneta")
        contestants = [dict(zip(names, pair, strict=True)) for pair in zip(plain, theirs, ours, strict=True)]
        images = rates(contestants[0], paths, rounds)
        texts = rates(contestants[1], captions, rounds)
        n_tokens = float(np.mean([len(ids) for ids in encoder._texts.token_ids(captions)]))
        pixels = preprocessing(paths[:16], max(rounds, 3))
    speed = gflops(encoder.spec.dtype)
    return {
        "machine": {"threads": torch.get_num_threads(), "isa": torch.backends.cpu.get_cpu_capability()},
        "dtype": encoder.spec.dtype,
        "gflops": speed,
        "images": images,
        "texts": texts,
        "tokens_per_text": n_tokens,
        "limit_images_per_s": speed / GFLOP_IMAGE,
        "limit_texts_per_s": speed / (GFLOP_TOKEN * n_tokens),
        "preprocessing": pixels,
    }


def report(found: dict[str, Any]) -> str:
    """The same as tables for a person."""
    machine = found["machine"]
    lines = [
        f"Encoders: ViT-B/32, {machine['threads']} threads, {machine['isa']}, luneta in {found['dtype']}; "
        f"matrix products run at {found['gflops']:.0f} GFLOP/s",
        "",
    ]
    for kind in ("images", "texts"):
        measured, limit = found[kind], found[f"limit_{kind}_per_s"]
        ours = measured["luneta"]
        lines.append(f"{kind:<22}{'per s':>9}{'luneta is':>11}{'of limit':>10}{'cpu ms':>9}{'luneta is':>11}")
        for name, row in measured.items():
            wall, processor = ours["per_s"] / row["per_s"], row["cpu_ms"] / ours["cpu_ms"]
            lines.append(
                f"  {name:<20}{row['per_s']:>9.1f}{wall:>10.2f}x{row['per_s'] / limit:>10.0%}"
                f"{row['cpu_ms']:>9.1f}{processor:>10.2f}x"
            )
        lines.append("")
    lines.append(f"{'pixels':<18}{'library ms':>11}{'luneta ms':>11}{'ratio':>8}{'max difference':>16}")
    lines += [
        f"  {row['recipe']:<16}{row['library_ms']:>11.2f}{row['luneta_ms']:>11.2f}{row['ratio']:>7.1f}x"
        f"{row['max_difference']:>16.4f}"
        for row in found["preprocessing"]
    ]
    return "\n".join(lines)


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure and print the table; what `benchmarks/evaluate.py` calls."""
    found = measure(n_images=32, n_texts=128, rounds=1) if quick else measure(n_images=192, n_texts=768, rounds=3)
    print(report(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small and once, to see that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    found = run(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
