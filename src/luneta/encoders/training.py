"""A checkpoint opened up for training: its own float32 weights, its preparation, its towers."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from luneta.artifacts import atomic_folder, write_json, write_text
from luneta.encoders.checkpoints import Checkpoint
from luneta.encoders.files import kept_files
from luneta.encoders.preprocessing import ImagePreparation
from luneta.encoders.texts import TextPreparation
from luneta.encoders.towers import Towers
from luneta.encoders.weights import load_model

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.encoders.hf import HFEncoder
    from luneta.types import Encoder


class HFTrainable:
    """The model of an `HFEncoder`, loaded anew in float32, and what training it needs; a `Trainable`.

    Attributes:
        towers: its parts under names that all families share.
        model: the module that is trained.
    """

    def __init__(
        self, encoder: HFEncoder, checkpoint: Checkpoint, texts: TextPreparation, images: ImagePreparation
    ) -> None:
        self._encoder, self._checkpoint, self._texts, self._images = encoder, checkpoint, texts, images
        self.towers = Towers(load_model(checkpoint).to(encoder._device), checkpoint.family)

    @property
    def model(self) -> nn.Module:
        model: nn.Module = self.towers.model
        return model

    @property
    def sigmoid(self) -> bool:
        """Whether the checkpoint was trained with the sigmoid loss."""
        return self.towers.bias is not None

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, cut to the context."""
        return self._texts.token_ids(texts)

    def n_truncated(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the context and lose their end."""
        return self._encoder.n_truncated(texts)

    def text_inputs(self, token_ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Ids of a batch -> what the text tower reads; on a CPU with their lengths, where padding means nothing."""
        inputs = self._texts.collate(token_ids)
        if self._texts.any_order and next(self.model.parameters()).device.type == "cpu":
            inputs["lengths"] = torch.tensor([len(ids) for ids in token_ids])
        return inputs

    def prepare_image(self, image: Image) -> Any:
        """One RGB picture -> what `image_inputs` takes."""
        return self._images.prepare(image)

    def image_inputs(self, prepared: Sequence[Any]) -> dict[str, Tensor]:
        """What `prepare_image` gave -> what the image tower reads."""
        return self._images.collate(prepared)

    def encoder(self) -> Encoder:
        """An encoder around the model as it is now. It has no fingerprint: its vectors must not be kept."""
        other = copy.copy(self._encoder)
        other._model, other._dtype = self.model, "float32"
        other._device = next(self.model.parameters()).device
        other.spec = replace(self._encoder.spec, fingerprint="", dtype="float32", device=str(other._device))
        return other

    @contextmanager
    def dropped_patches(self, share: float) -> Iterator[None]:
        """While it lasts the image tower reads a random part of each picture's patches (FLIP, Li et al., 2023).

        Args:
            share: of the patches that are left out, 0 to 1.

        Raises:
            ConfigError: the family's pictures are no plain sequence of patches.
        """
        embeddings, n_first = self.towers.patch_embeddings()

        def drop(module: nn.Module, inputs: Any, tokens: Tensor) -> Tensor:
            if not module.training:
                return tokens
            patches = tokens[:, n_first:]
            n_kept = max(1, round(patches.shape[1] * (1 - share)))
            chosen = torch.rand(patches.shape[:2], device=tokens.device).argsort(dim=1)[:, :n_kept]
            kept = patches.gather(1, chosen[:, :, None].expand(-1, -1, patches.shape[2]))
            return torch.cat([tokens[:, :n_first], kept], dim=1)

        hook = embeddings.register_forward_hook(drop)
        try:
            yield
        finally:
            hook.remove()

    def save(self, folder: Path, weights: Mapping[str, Tensor], card: str) -> None:
        """Write a whole checkpoint that transformers loads: weights, configuration, processor, tokenizer, card.

        Of the folder it came from these are taken, and the licence; nothing else that lies there.

        Args:
            folder: written whole or not at all; one that exists is replaced.
            weights: of the model, by name.
            card: README.md.

        Raises:
            ArtifactError: it cannot be written.
        """
        with atomic_folder(folder) as new:
            for path in kept_files(self._checkpoint.folder):
                shutil.copyfile(path, new / path.name)
            save_file(
                {name: w.contiguous() for name, w in weights.items()}, new / "model.safetensors", {"format": "pt"}
            )
            write_json(new / "config.json", _in_float32(self._checkpoint.config))
            write_text(new / "README.md", card)


def _in_float32(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that says float32 wherever it says in what format the weights are."""
    changed: dict[str, Any] = {}
    for key, value in config.items():
        if key in ("dtype", "torch_dtype"):
            changed[key] = "float32"
        else:
            changed[key] = _in_float32(value) if isinstance(value, Mapping) else value
    return changed
