"""Encoders that are checkpoints of transformers: CLIP, SigLIP, SigLIP 2, ALIGN, AltCLIP, Chinese CLIP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from luneta.artifacts import hash_json
from luneta.encoders.checkpoints import Checkpoint
from luneta.encoders.precision import computing, lower_matrices, resolve_device, resolve_dtype, threads_for
from luneta.encoders.preprocessing import ImagePreparation, preparation_of
from luneta.encoders.texts import TextPreparation
from luneta.encoders.weights import digest, load_model
from luneta.errors import ConfigError, EncoderError, LunetaError
from luneta.types import Anatomy, EncoderSpec, PromptedTower, Trainable, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.encoders.exporting import OpenedTextTower

_BATCH_SIZES = {"cpu": (32, 64), "cuda": (128, 512), "mps": (32, 128)}  # pictures, texts
_IDLE_CONFIG = ("transformers_version", "_name_or_path", "_commit_hash", "dtype", "torch_dtype", "architectures")


class HFEncoder:
    """A pair of towers of transformers, with the preprocessing of its checkpoint; a `StagedEncoder`.

    Attributes:
        spec: what it is; `spec.details` holds what the fingerprint is made from.
        batch_size: items per forward pass, as asked for; None is by device.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        dtype: str = "auto",
        device: str = "auto",
        batch_size: int | None = None,
        languages: tuple[str, ...] = (),
    ) -> None:
        if batch_size is not None and (not isinstance(batch_size, int | np.integer) or batch_size < 1):
            raise ConfigError(f"batch_size is {batch_size!r}, expected a whole number of at least 1")
        self._name = checkpoint.name
        self._checkpoint = checkpoint
        self._device = resolve_device(device)
        self._dtype = resolve_dtype(dtype, self._device)
        sizes = _BATCH_SIZES[self._device.type]
        self.batch_size = batch_size
        self._image_batch, self._text_batch = sizes if batch_size is None else (batch_size, batch_size)
        model = load_model(checkpoint)
        self._images = image_preparation(checkpoint)
        self._texts = TextPreparation(checkpoint, model.config.text_config)
        quicken(model)
        if self._dtype != "float32":
            lower_matrices(model, self._dtype)
        self._model = model.to(self._device)
        self.spec = self._describe(checkpoint, languages)

    def __repr__(self) -> str:
        return f"HFEncoder({self._name!r}, dtype={self._dtype!r}, device={str(self._device)!r})"

    # -- pictures ----------------------------------------------------------------------------------------------

    def prepare_image(self, image: Image) -> Any:
        """One RGB picture -> resized, cropped bytes. Safe in any thread, and starts none.

        Raises:
            ShapeError: not an RGB picture.
        """
        return self._images.prepare(image)

    def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
        """What `prepare_image` gave -> (n, embedding_dim) float32 unit vectors, in the order given.

        Raises:
            EncoderError: a vector is not finite or has no length.
        """
        found = [self._image_vectors(batch) for batch in _batches(prepared, self._image_batch)]
        return np.concatenate(found) if found else self._no_vectors()

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """RGB pictures -> (n, embedding_dim) float32 unit vectors, in the order given.

        Raises:
            ShapeError: not an RGB picture.
            EncoderError: a vector is not finite or has no length.
        """
        batches = (self._image_vectors([self.prepare_image(i) for i in b]) for b in _batches(images, self._image_batch))
        return np.concatenate([self._no_vectors(), *batches])

    def _image_vectors(self, prepared: Sequence[Any]) -> Vectors:
        return self._forward(self._model.get_image_features, self._images.collate(prepared), "picture")

    # -- texts -------------------------------------------------------------------------------------------------

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Strings -> (n, embedding_dim) float32 unit vectors, in the order given.

        Texts longer than the context are cut, and keep their end token. Where padding does not change a vector, texts
        are batched by length.

        Raises:
            ConfigError: something that is not a string.
            EncoderError: a vector is not finite or has no length.
        """
        token_ids = self._texts.token_ids(texts)
        order = range(len(token_ids))
        if self._texts.any_order:
            order = sorted(order, key=lambda index: len(token_ids[index]))  # type: ignore[assignment]
        vectors = np.empty((len(token_ids), self.spec.embedding_dim), dtype=np.float32)
        for indexes in _batches(order, self._text_batch):
            vectors[list(indexes)] = self._text_vectors([token_ids[index] for index in indexes])
        return vectors

    def n_truncated(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the context and lose their end."""
        return sum(len(ids) > self._texts.context for ids in self._texts.token_ids(texts, truncate=False))

    def _text_vectors(self, token_ids: Sequence[Sequence[int]]) -> Vectors:
        return self._forward(self._model.get_text_features, self._texts.collate(token_ids), "text")

    # -- opened up ---------------------------------------------------------------------------------------------

    def anatomy(self) -> Anatomy:
        """What the towers really read and what the checkpoint says they should; for `luneta.examine`."""
        from luneta.encoders.inspection import HFAnatomy

        return HFAnatomy(self, self._checkpoint, self._model, self._texts, self._images)

    def trainable(self) -> Trainable:
        """The same checkpoint with weights of its own that can be changed; for `luneta.finetune`."""
        from luneta.encoders.training import HFTrainable

        return HFTrainable(self, self._checkpoint, self._texts, self._images)

    def text_tower(self) -> OpenedTextTower:
        """The text tower in float32 on the CPU; for `luneta.encoders.exporting`."""
        from luneta.encoders.exporting import OpenedTextTower

        plain = self
        if (self._dtype, self._device.type) != ("float32", "cpu"):
            plain = HFEncoder(self._checkpoint, dtype="float32", device="cpu")
        return OpenedTextTower(self, plain, plain._model, plain._texts)

    def visual_prompts(self, insert_layer: int = 0, *, keep_prompts: bool = False) -> PromptedTower:
        """The image tower with room for prompts, sharing this encoder's weights; for `luneta.train_elip`.

        Args:
            insert_layer: the block before which prompts come in; negative numbers count from the end.
            keep_prompts: the pooling head sees the prompts too; only where there is one.

        Raises:
            ConfigError: the tower takes no prompts, or has no such block.
        """
        from luneta.encoders.prompting import HFPromptedTower, Setting

        setting = Setting(self._checkpoint.family, self._images, self._dtype, self._device)
        return HFPromptedTower(self._model, setting, insert_layer, keep_prompts)

    # -- both --------------------------------------------------------------------------------------------------

    def _forward(self, tower: Any, inputs: dict[str, torch.Tensor], kind: str) -> Vectors:
        with threads_for(self._model, self._device), computing(self._dtype, self._device):
            pooled = tower(**{name: tensor.to(self._device) for name, tensor in inputs.items()}).pooler_output
            if pooled is None:
                raise EncoderError(f"{self._name}: its {kind} tower has no pooling head, so it gives no vector")
            vectors = pooled.to(torch.float32)
            lengths = vectors.norm(dim=1, keepdim=True)
            useless = ~torch.isfinite(lengths) | (lengths == 0)
            if bool(useless.any()):
                raise EncoderError(
                    f"{self._name}: {int(useless.sum())} of {len(vectors)} {kind} vectors are not finite or have no "
                    f"length in {self._dtype}. "
                    + ("The weights are damaged." if self._dtype == "float32" else "Try dtype='float32'.")
                )
            unit: Vectors = (vectors / lengths).cpu().numpy()
        return unit

    def _no_vectors(self) -> Vectors:
        return np.empty((0, self.spec.embedding_dim), dtype=np.float32)

    def _describe(self, checkpoint: Checkpoint, languages: tuple[str, ...]) -> EncoderSpec:
        embedding_dim = self._probe()
        ingredients = {
            "model_type": checkpoint.family.model_type,
            "weights": [digest(path) for path in checkpoint.weights],
            "config": hash_json(effective(checkpoint.config)),
            "image": self._images.details,
            "text": self._texts.details,
            "dtype": self._dtype,
            "transformers": minor_version(),
        }
        temperature = getattr(self._model, checkpoint.family.temperature).detach().float()
        scale = temperature.exp() if checkpoint.family.temperature == "logit_scale" else 1 / temperature
        bias = getattr(self._model, "logit_bias", None)
        return EncoderSpec(
            name=checkpoint.name,
            embedding_dim=embedding_dim,
            fingerprint=hash_json(ingredients),
            revision=checkpoint.revision,
            backend="transformers",
            dtype=self._dtype,
            device=str(self._device),
            n_parameters=sum(parameter.numel() for parameter in self._model.parameters()),
            logit_scale=scale.item(),
            logit_bias=None if bias is None else bias.item(),
            languages=languages,
            details={**ingredients, "torch": torch.__version__},
        )

    def _probe(self) -> int:
        """Length of the vectors, after a batch has gone through both towers: they work, and agree.

        Raises:
            EncoderError: they do not; or pictures of two shapes do not make one batch that the model takes.
        """
        from PIL import Image

        pictures = [Image.new("RGB", size, (200, 120, 40)) for size in ((64, 48), (30, 90))]
        with self._blaming(
            "a picture",
            "size, crop_size and do_center_crop in preprocessor_config.json must make "
            "every picture as large as image_size in config.json",
        ):
            picture = self._image_vectors([self.prepare_image(image) for image in pictures])
        with self._blaming("a text", "tokenizer and text_config in config.json must be of one model"):
            text = self._text_vectors(self._texts.token_ids(["a", "b c"]))
        if picture.shape != text.shape:
            raise EncoderError(
                f"{self._name}: picture vectors have {picture.shape[1]} numbers and text vectors {text.shape[1]}: "
                "the towers do not share a space"
            )
        return int(picture.shape[1])

    @contextlib.contextmanager
    def _blaming(self, what: str, remedy: str) -> Iterator[None]:
        """Whatever the library raises while it tries its first batch is the checkpoint's fault, said so."""
        try:
            yield
        except (LunetaError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise EncoderError(
                f"{self._name}: {what} prepared as the checkpoint says does not go through its model "
                f"({type(error).__name__}: {error}); {remedy}"
            ) from error


class _QuickGELU(nn.Module):
    """x * sigmoid(1.702 x) as the library's, with one temporary instead of three: a tenth of the tower's time."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():  # the backward pass needs what would be written over
            return (values * 1.702).sigmoid() * values
        return (values * 1.702).sigmoid_().mul_(values)


def quicken(model: nn.Module) -> None:
    """Replace the activation of OpenAI's CLIP by an equal one that needs less memory where no gradient is wanted."""
    from transformers.activations import QuickGELUActivation

    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is QuickGELUActivation:
                setattr(module, name, _QuickGELU().train(child.training))


def image_preparation(checkpoint: Checkpoint) -> ImagePreparation:
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            checkpoint.folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
        return preparation_of(processor)
    except Exception as error:  # what a damaged recipe raises depends on where the library first stumbles over it
        raise EncoderError(
            f"{checkpoint.name}: how its pictures are prepared (preprocessor_config.json) cannot be read or used: "
            f"{str(error).rstrip('. ')}. Fetch that file again, or copy it from the checkpoint this one was made from."
        ) from error


def effective(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what no vector depends on."""
    return {
        key: effective(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in _IDLE_CONFIG
    }


def minor_version() -> str:
    """Major and minor version of transformers.

    Its model code and tokenizers decide a vector, and change between minor releases. Versions of PyTorch differ in the
    last bits only, as a GPU differs from a CPU: an index must survive both.
    """
    import transformers

    return ".".join(transformers.__version__.split(".")[:2])


def _batches(items: Sequence[Any] | range, size: int) -> Iterator[Sequence[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
