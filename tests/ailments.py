"""Encoders with something wrong on purpose: each breaks one item of the recipe of luneta-mini or luneta-mini-siglip.

`PYTHONPATH=tests python -m ailments` prints what the doctor says of each, and recall@1 with and without it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL.Image import Image, Resampling, merge
from PIL.ImageOps import expand
from tokenizers import normalizers

from luneta import load_encoder, open_dataset
from luneta.data.dataset import ImageTextDataset
from luneta.doctor import Diagnosis, examine
from luneta.doctor.measured import measured_in
from luneta.encoders.checkpoints import open_folder
from luneta.encoders.hf import HFEncoder
from luneta.encoders.preprocessing import Affine
from luneta.encoders.presets import WEIGHTS
from luneta.types import Encoder, EncoderSpec, StagedEncoder, Vectors
from worlds import words_of

CLIP, SIGLIP = "luneta-mini", "luneta-mini-siglip"
OPENAI = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}


def healthy(name: str) -> HFEncoder:
    """A fresh one, to be broken."""
    encoder = load_encoder(name, dtype="float32")
    assert isinstance(encoder, HFEncoder)
    return encoder


@functools.cache
def sample(language: str = "en", n_images: int = 40) -> ImageTextDataset:
    return open_dataset("cenas", split="test", limit=n_images, language=language)


VIEWS: dict[str, tuple[Callable[[str], str], Callable[[Image], Image]]] = {
    "as drawn": (lambda text: text, lambda image: image),
    "capitals": (str.upper, lambda image: image),
    "large": (lambda text: text, lambda image: image.resize((240, 240), Resampling.LANCZOS)),
    "stretched": (lambda text: text, lambda image: image.resize((2 * image.width, image.height), Resampling.BICUBIC)),
    "with margins": (lambda text: text, lambda image: expand(image, (image.width // 2, 0), "white")),
}
"""The same world told and shown otherwise, so that what is broken can cost something: Cenas is drawn as a square of the
very size that the encoders read, and its captions have few capitals."""


@functools.cache
def shown(data: ImageTextDataset, view: str) -> tuple[list[str], list[Image]]:
    tell, show = VIEWS[view]
    return [tell(text) for text in data.texts], [show(image.open()) for image in data.images]


def recall_at_1(encoder: Encoder, data: ImageTextDataset, view: str = "as drawn") -> float:
    """Share of captions whose nearest picture is one they belong to; pictures are prepared ahead where they may be."""
    words, images = shown(data, view)
    texts = encoder.encode_texts(words)
    if isinstance(encoder, StagedEncoder):
        found = encoder.encode_prepared([encoder.prepare_image(image) for image in images])
    else:
        found = encoder.encode_images(images)
    nearest = (texts @ found.T).argmax(axis=1)
    pairs = {(int(text), int(image)) for text, image in data.pairs}
    return float(np.mean([(text, int(image)) in pairs for text, image in enumerate(nearest)]))


_SAME = {"float32", "bilinear"}  # in both languages
_ENGLISH = {
    "the",
    "of",
    "and",
    "is",
    "are",
    "not",
    "with",
    "was",
    "text",
    "texts",
    "vector",
    "every",
    "where",
    "captions",
}


def left_in_english(diagnosis: Diagnosis) -> list[str]:
    """What the doctor measured and cannot say in Portuguese, but for errors that it repeats; names of tensors aside."""
    found = []
    for check in diagnosis.checks:
        said = measured_in(check.measured, "pt-BR")
        words = words_of(re.sub(r"\w+(\.\w+)+|'.*'|\".*\"", "", said))
        if check.measured not in _SAME and (said == check.measured or words & _ENGLISH):
            found.append(said)
    return [said for said in found if "not finite" not in said]


# -- texts -----------------------------------------------------------------------------------------------------


def misread(name: str, **changes: Any) -> HFEncoder:
    """The checkpoint with its family described wrongly."""
    checkpoint = open_folder(name, WEIGHTS / name)
    family = dataclasses.replace(checkpoint.family, **changes)
    return HFEncoder(dataclasses.replace(checkpoint, family=family), dtype="float32", languages=("en",))


def another_padding_token(tmp_path: Path) -> HFEncoder:
    encoder = healthy(SIGLIP)
    encoder._texts._pad = 2
    return encoder


def padded_before_the_text(tmp_path: Path) -> HFEncoder:
    encoder = healthy(SIGLIP)
    collate = encoder._texts.collate

    def turned(token_ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        inputs = collate(token_ids)["input_ids"]
        rows = [torch.roll(row, len(row) - len(ids)) for row, ids in zip(inputs, token_ids, strict=True)]
        return {"input_ids": torch.stack(rows)}

    encoder._texts.collate = turned  # type: ignore[method-assign]
    return encoder


def no_end_token(tmp_path: Path) -> HFEncoder:
    """Texts are cut by hand, their end token with the rest."""
    encoder = healthy(CLIP)
    token_ids = encoder._texts.token_ids
    encoder._texts.token_ids = (  # type: ignore[method-assign]
        lambda texts, truncate=True: [
            ids[: encoder._texts.context] if truncate else ids for ids in token_ids(texts, truncate=False)
        ]
    )
    return encoder


def capitals_kept(name: str) -> Callable[[Path], HFEncoder]:
    def build(tmp_path: Path) -> HFEncoder:
        encoder = healthy(name)
        encoder._texts._family = dataclasses.replace(encoder._texts._family, lowers=False)
        if name == CLIP:
            encoder._texts.tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
        else:
            encoder._texts.tokenizer.do_lower_case = False
        return encoder

    return build


def pooled_at_the_beginning(tmp_path: Path) -> HFEncoder:
    encoder = healthy(CLIP)
    encoder._model.text_model.eos_token_id = encoder._texts.tokenizer.bos_token_id
    return encoder


def pooled_by(read: Callable[[torch.Tensor], torch.Tensor], name: str) -> Callable[[Path], HFEncoder]:
    """The vector made from the states of all positions (n, length, width) by `read`."""

    def build(tmp_path: Path) -> HFEncoder:
        encoder = healthy(name)
        features = encoder._model.get_text_features
        head = encoder._model.text_projection if name == CLIP else encoder._model.text_model.head

        def pooled(**inputs: torch.Tensor) -> Any:
            output = features(**inputs)
            output.pooler_output = head(read(output.last_hidden_state))
            return output

        encoder._model.get_text_features = pooled
        return encoder

    return build


# -- pictures --------------------------------------------------------------------------------------------------


def copy_of(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS / name, tmp_path / name, dirs_exist_ok=True))


def change(file: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    settings = json.loads(file.read_text(encoding="utf-8"))
    edit(settings)
    file.write_text(json.dumps(settings), encoding="utf-8")


def recorded(name: str, **changes: Any) -> Callable[[Path], HFEncoder]:
    """Another recipe for pictures in the checkpoint's own record."""

    def build(tmp_path: Path) -> HFEncoder:
        folder = copy_of(name, tmp_path)
        change(folder / "preprocessor_config.json", lambda settings: settings.update(changes))
        return HFEncoder(open_folder(name, folder), dtype="float32", languages=("en",))

    return build


def prepared(name: str, **changes: Any) -> Callable[[Path], HFEncoder]:
    """Another recipe for pictures than the checkpoint records."""

    def build(tmp_path: Path) -> HFEncoder:
        encoder = healthy(name)
        encoder._images = dataclasses.replace(encoder._images, **changes)  # type: ignore[type-var]
        return encoder

    return build


# -- weights ---------------------------------------------------------------------------------------------------


def reinitialised(name: str) -> Callable[[Path], HFEncoder]:
    """The last layer of a tower as its initialisation leaves it, in memory only."""

    def build(tmp_path: Path) -> HFEncoder:
        encoder = healthy(name)
        torch.manual_seed(0)
        model = encoder._model
        for module in (model.visual_projection if name == CLIP else model.text_model.encoder.layers[1]).modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return encoder

    return build


def saved_untrained(tmp_path: Path) -> HFEncoder:
    """A checkpoint that was published with a layer as its initialisation left it."""
    from safetensors.torch import load_file, save_file

    folder = copy_of(CLIP, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    for key, tensor in tensors.items():
        if key.startswith("text_model.encoder.layers.1."):
            if key.endswith("bias"):
                tensor.zero_()
            elif tensor.ndim == 1:
                tensor.fill_(1)
            else:
                tensor.copy_(0.02 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return HFEncoder(open_folder(CLIP, folder), dtype="float32", languages=("en",))


def damaged(tmp_path: Path) -> HFEncoder:
    encoder = healthy(CLIP)
    encoder._model.vision_model.encoder.layers[0].mlp.fc1.weight[3, 5] = torch.nan
    return encoder


def without_bias(tmp_path: Path) -> HFEncoder:
    encoder = healthy(SIGLIP)
    encoder.spec = dataclasses.replace(encoder.spec, logit_bias=None)
    return encoder


def dropping_out(tmp_path: Path) -> HFEncoder:
    encoder = healthy(CLIP)
    for module in encoder._model.train().modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.5
    return encoder


def cast_whole(tmp_path: Path) -> HFEncoder:
    """Norms and embeddings in bfloat16 too."""
    encoder = healthy(CLIP)
    encoder._model.to(torch.bfloat16)
    encoder._dtype = "bfloat16"
    encoder.spec = dataclasses.replace(encoder.spec, dtype="bfloat16")
    return encoder


# -- encoders of a user's --------------------------------------------------------------------------------------


class Wrapped:
    """A sound encoder in a class of a user's, which says nothing of itself; each kind breaks one promise."""

    def __init__(self, name: str = CLIP) -> None:
        self.inner = healthy(name)
        self.spec = EncoderSpec(name=type(self).__name__, embedding_dim=self.inner.spec.embedding_dim, fingerprint="")

    def encode_images(self, images: Sequence[Image]) -> Any:
        return self.inner.encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.inner.encode_texts(texts)


class NotNormalised(Wrapped):
    """Vectors as long as whatever the model gave, here by the picture's brightness."""

    def encode_images(self, images: Sequence[Image]) -> Any:
        brightness = np.array([np.asarray(image).mean() for image in images], dtype=np.float32)
        return self.inner.encode_images(images) * (brightness[:, None] / 40)


class Rounded(Wrapped):
    """bfloat16 to the last step."""

    def _rounded(self, vectors: Vectors) -> Vectors:
        return np.asarray(torch.from_numpy(vectors).to(torch.bfloat16).float().numpy())

    def encode_images(self, images: Sequence[Image]) -> Any:
        return self._rounded(self.inner.encode_images(images))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self._rounded(self.inner.encode_texts(texts))


class SortedByLength(Wrapped):
    """Batches by length, and forgets to put the vectors back."""

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.inner.encode_texts(sorted(texts, key=len))


class OfItsBatch(Wrapped):
    """Takes the mean of the batch away."""

    def encode_images(self, images: Sequence[Image]) -> Any:
        vectors = self.inner.encode_images(images)
        moved = vectors - 0.9 * vectors.mean(axis=0) * (len(images) > 1)
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)


class TwoPaths(Wrapped):
    """Pictures prepared ahead have red and blue exchanged, as another library reads them."""

    def prepare_image(self, image: Image) -> Any:
        return self.inner.prepare_image(merge("RGB", image.split()[::-1]))

    def encode_prepared(self, prepared: Sequence[Any]) -> Any:
        return self.inner.encode_prepared(prepared)


class PaddedToLongest(Wrapped):
    """A user's SigLIP with padding=True."""

    def __init__(self) -> None:
        super().__init__(SIGLIP)
        self.inner = misread(SIGLIP, pads_to_context=False)
        self.inner._text_batch = 10**6

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.inner._text_vectors(self.inner._texts.token_ids(texts))


class RandomTextTower(Wrapped):
    """Its text tower failed to load and was left as it was."""

    def __init__(self) -> None:
        super().__init__(CLIP)
        torch.manual_seed(0)
        for parameter in self.inner._model.text_model.parameters():
            parameter.normal_(std=0.5)


class Constant(Wrapped):
    """One vector for every text."""

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return np.repeat(self.inner.encode_texts(["a"]), len(texts), axis=0)


class WrongShape(Wrapped):
    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.inner.encode_texts(texts).T


class NotANumber(Wrapped):
    def encode_texts(self, texts: Sequence[str]) -> Any:
        vectors = self.inner.encode_texts(texts)
        vectors[-1, 0] = np.nan
        return vectors


class Squeezed(Wrapped):
    """A batch of one comes back as a vector."""

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.inner.encode_texts(texts).squeeze()


class Unprepared(TwoPaths):
    def prepare_image(self, image: Image) -> Any:
        return 1 / 0


class OfItsWorld(Wrapped):
    """Knows only the texts it was made with, in any case and in any number."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self.words = dict.fromkeys(word for text in texts for word in text.lower().split())

    def encode_texts(self, texts: Sequence[str]) -> Any:
        for text in texts:
            for word in text.lower().split():
                _ = self.words[word]
        return self.inner.encode_texts(texts)


# -- all of them -----------------------------------------------------------------------------------------------


class Ailment(NamedTuple):
    """What is broken, what the doctor must say, and how much recall@1 falls at least in a view (None: it need not)."""

    model: str
    build: Callable[[Path], Encoder]
    check: str
    verdict: str = "fail"
    also: tuple[str, ...] = ()
    falls: float | None = None
    view: str = "as drawn"


SMALL = {"height": 96, "width": 96}
PADS = ("text padding",)

AILMENTS = {
    "padded to the longest": Ailment(
        SIGLIP, lambda path: misread(SIGLIP, pads_to_context=False), "text padding",
        also=("maximum length", "pooling"), falls=0.05,
    ),
    "another padding token": Ailment(SIGLIP, another_padding_token, "text padding", falls=0.05),
    "padded before the text": Ailment(SIGLIP, padded_before_the_text, "text padding"),
    "cut too early": Ailment(
        CLIP, lambda path: misread(CLIP, context=lambda *_: 8), "maximum length", "warn", falls=0.05
    ),
    "cut without the end token": Ailment(CLIP, no_end_token, "maximum length", also=("pooling",)),
    "capitals kept, clip": Ailment(CLIP, capitals_kept(CLIP), "lower-casing", falls=0.3, view="capitals"),
    "capitals kept, siglip": Ailment(SIGLIP, capitals_kept(SIGLIP), "lower-casing", falls=0.3, view="capitals"),
    "attention mask": Ailment(SIGLIP, lambda path: misread(SIGLIP, masks_padding=True), "attention mask"),
    "pooled at the beginning": Ailment(
        CLIP, pooled_at_the_beginning, "pooling", also=("distinct vectors",), falls=0.2
    ),
    "pooled by the mean, clip": Ailment(
        CLIP, pooled_by(lambda states: states.mean(dim=1), CLIP), "pooling", also=PADS, falls=0.1
    ),
    "pooled at the last word": Ailment(
        CLIP, pooled_by(lambda states: states[:, -2], CLIP), "pooling", also=PADS, falls=0.01
    ),
    "pooled at the first, siglip": Ailment(
        SIGLIP, pooled_by(lambda states: states[:, 0], SIGLIP), "pooling", falls=0.1
    ),
    "crop for squash, recorded": Ailment(
        SIGLIP, recorded(SIGLIP, size={"shortest_edge": 96}, do_center_crop=True, crop_size=SMALL), "resize",
        view="stretched"
    ),
    "squash for crop, recorded": Ailment(
        CLIP, recorded(CLIP, size=SMALL, do_center_crop=False), "resize", "warn", falls=0.1, view="with margins"
    ),
    "crop for squash, prepared": Ailment(
        SIGLIP, prepared(SIGLIP, size=96, crop=(96, 96)), "resize", view="stretched"
    ),
    "squash for crop, prepared": Ailment(
        CLIP, prepared(CLIP, size=(96, 96), crop=None), "resize", falls=0.1, view="with margins"
    ),
    "half of the picture": Ailment(CLIP, prepared(CLIP, size=192), "resize", falls=0.05),
    "nearest neighbour": Ailment(SIGLIP, recorded(SIGLIP, resample=0), "interpolation", view="large"),
    "another filter than recorded": Ailment(CLIP, prepared(CLIP, resample="bilinear"), "interpolation", view="large"),
    "mean of another family": Ailment(SIGLIP, recorded(SIGLIP, **OPENAI), "mean and deviation"),
    "mean of another family, clip": Ailment(
        CLIP, recorded(CLIP, image_mean=[0.5] * 3, image_std=[0.5] * 3), "mean and deviation", "warn"
    ),
    "pixels from 0 to 1": Ailment(CLIP, recorded(CLIP, do_normalize=False), "mean and deviation", falls=0.02),
    "pixels as bytes": Ailment(
        SIGLIP, prepared(SIGLIP, affine=Affine((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))), "mean and deviation", falls=0.1
    ),
    "a layer as initialised": Ailment(CLIP, reinitialised(CLIP), "weights", falls=0.05),
    "a layer as initialised, siglip": Ailment(SIGLIP, reinitialised(SIGLIP), "weights", falls=0.05),
    "published with an untrained layer": Ailment(CLIP, saved_untrained, "weights"),
    "no bias": Ailment(SIGLIP, without_bias, "logit scale and bias"),
    "dropout": Ailment(CLIP, dropping_out, "determinism",
                       also=("text padding", "pooling"), falls=0.01),
    "not normalised": Ailment(CLIP, lambda path: NotNormalised(), "unit length"),
    "rounded to bfloat16": Ailment(CLIP, lambda path: Rounded(), "number format", also=("unit length",)),
    "cast whole to bfloat16": Ailment(CLIP, cast_whole, "number format", "warn"),
    "out of order": Ailment(
        CLIP, lambda path: SortedByLength(), "order", falls=0.2, also=("text padding",)
    ),
    "of its batch": Ailment(CLIP, lambda path: OfItsBatch(), "batch invariance"),
    "two image paths": Ailment(CLIP, lambda path: TwoPaths(), "one image path", falls=0.3),
    "padded to the longest, a user's": Ailment(
        SIGLIP, lambda path: PaddedToLongest(), "text padding", falls=0.05
    ),
    "one vector for every text": Ailment(CLIP, lambda path: Constant(), "distinct vectors", falls=0.2),
}  # fmt: skip


def table(n_images: int) -> str:
    """Markdown: what is broken, what the doctor names, recall@1 of text to image with it and mended."""
    lines = ["| model | broken | named | view | recall@1 | mended |", "| --- | --- | --- | --- | --- | --- |"]
    data = sample(n_images=n_images)
    sound = functools.cache(lambda name, view: recall_at_1(healthy(name), data, view))
    for name, ailment in AILMENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            encoder = ailment.build(Path(folder))
            named = [check for check in examine(encoder).checks if check.verdict in ("warn", "fail")]
            told = ", ".join(f"{check.name} ({check.verdict})" for check in named)
            cells = [ailment.model, name, told, ailment.view, f"{recall_at_1(encoder, data, ailment.view):.3f}"]
        lines.append(f"| {' | '.join([*cells, f'{sound(ailment.model, ailment.view):.3f}'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(200))
