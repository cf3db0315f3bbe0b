"""A checkpoint of transformers opened up: what its towers read, and what its family and its own record ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from numpy.typing import NDArray
from torch import nn

from luneta.encoders.checkpoints import Checkpoint
from luneta.encoders.families import ALIGN_CONTEXT
from luneta.encoders.precision import computing
from luneta.encoders.preprocessing import ImagePreparation, LibraryPreparation
from luneta.encoders.texts import TextPreparation
from luneta.types import Encoder, TokenCount, Training, WeightFacts

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.encoders.hf import HFEncoder

_OPENAI = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class _Convention:
    """What the published checkpoints of a model type have in common; written down apart from what the encoder does.

    `pooling` is where a text's vector is read; `pads` and `masks` what it needs of its padding; see `Training`.
    """

    pads: bool
    masks: bool
    folds_case: bool | None
    pooling: Literal["end", "last", "first"]
    resizes: tuple[str, ...]
    normalisation: tuple[Any, Any] | tuple[None, None]
    strict_pictures: bool = False
    has_bias: bool = False


_CONVENTIONS: Mapping[str, _Convention] = {
    "clip": _Convention(False, False, True, "end", ("crop",), _OPENAI),
    "siglip": _Convention(True, False, True, "last", ("squash",), _HALVES, strict_pictures=True, has_bias=True),
    "siglip2": _Convention(True, False, True, "last", ("keep",), _HALVES, strict_pictures=True, has_bias=True),
    "align": _Convention(False, True, True, "first", ("squash",), (None, None)),
    "altclip": _Convention(False, True, False, "first", ("crop",), _OPENAI),
    "chinese_clip": _Convention(False, True, None, "first", ("squash", "crop"), _OPENAI),
}
_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class HFAnatomy:
    """An `Anatomy` of a checkpoint of transformers."""

    def __init__(
        self,
        encoder: HFEncoder,
        checkpoint: Checkpoint,
        model: Any,
        texts: TextPreparation,
        images: ImagePreparation,
    ) -> None:
        self._encoder = encoder
        self._checkpoint = checkpoint
        self._model = model
        self._texts = texts
        self._images = images
        self._tokenizer = texts.tokenizer

    @property
    def training(self) -> Training:
        kind = self._checkpoint.family.model_type
        known = _CONVENTIONS[kind]
        mean, deviation = known.normalisation
        return Training(
            family=kind,
            context=_trained_context(kind, self._model.config.text_config),
            pads_to_context=known.pads,
            padding_id=self._tokenizer.pad_token_id if known.pads else None,
            masks_padding=known.masks,
            folds_case=known.folds_case,
            pooling=known.pooling,
            resizes=known.resizes,
            mean=mean,
            deviation=deviation,
            strict_pictures=known.strict_pictures,
            has_bias=known.has_bias,
        )

    # -- what the towers read ----------------------------------------------------------------------------------

    def text_inputs(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs = self._texts.collate(self._texts.token_ids(texts))
        return {name: tensor.numpy() for name, tensor in inputs.items()}

    def image_inputs(self, images: Sequence[Image]) -> dict[str, NDArray[Any]]:
        inputs = self._images.collate([self._encoder.prepare_image(image) for image in images])
        return {name: tensor.numpy() for name, tensor in inputs.items()}

    def recorded_image_inputs(self, images: Sequence[Image]) -> dict[str, NDArray[Any]]:
        """By the library's own processor, read from the checkpoint again."""
        from transformers import AutoImageProcessor

        processor = AutoImageProcessor.from_pretrained(
            self._checkpoint.folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
        library = LibraryPreparation(processor)
        inputs = library.collate([library.prepare(image) for image in images])
        return {name: tensor.numpy() for name, tensor in inputs.items()}

    def count_tokens(self, texts: Sequence[str]) -> list[TokenCount]:
        return [self._count(ids) for ids in self._texts.token_ids(texts, truncate=False)]

    def _count(self, ids: Sequence[int]) -> TokenCount:
        special = set(self._tokenizer.all_special_ids)
        low, high = 0, len(ids)
        while low < high and ids[low] in special and ids[low] != self._unknown_alone:
            low += 1
        while low < high and ids[high - 1] in special and ids[high - 1] != self._unknown_alone:
            high -= 1
        body = ids[low:high]
        unknown = self._tokenizer.unk_token_id
        return TokenCount(
            n_tokens=len(body),
            n_unknown=sum(token == unknown for token in body),
            n_bytes=sum(map(self._is_byte, self._tokenizer.convert_ids_to_tokens(list(body)))),
            truncated=len(ids) > self._texts.context,
        )

    @property
    def _unknown_alone(self) -> int | None:
        """The unknown token, where it is not also the one that begins or ends a text, as in CLIP."""
        unknown = self._tokenizer.unk_token_id
        others = (self._tokenizer.eos_token_id, self._tokenizer.bos_token_id)
        return None if unknown in others else unknown

    def _is_byte(self, token: str) -> bool:
        """`<0xE3>`, or in a byte-level vocabulary a piece of which no whole character can be read."""
        if _BYTE_TOKEN.fullmatch(token):
            return True
        if type(self._tokenizer).__name__ not in ("CLIPTokenizer", "CLIPTokenizerFast") or token.isascii():
            return False
        return "\ufffd" in self._tokenizer.convert_tokens_to_string([token])

    # -- the model ---------------------------------------------------------------------------------------------

    def pooled_positions(self, texts: Sequence[str]) -> list[int] | None:
        """Where the vector is: each position's state goes through the last projection and is compared with it."""
        inputs = self._texts.collate(self._texts.token_ids(texts))
        device = next(self._model.parameters()).device
        head = getattr(self._model, "text_projection", None) or self._model.text_model.head
        with computing(self._encoder.spec.dtype, device):
            output = self._model.get_text_features(**{name: tensor.to(device) for name, tensor in inputs.items()})
            states = nn.functional.normalize(head(output.last_hidden_state).float(), dim=-1)
            vectors = nn.functional.normalize(output.pooler_output.float(), dim=-1)
            likeness = (states * vectors[:, None, :]).sum(dim=-1)
        best, positions = likeness.max(dim=1)
        return None if float(best.min()) < 0.99 else [int(position) for position in positions]

    def weights(self, *, compare: bool = True) -> WeightFacts:
        state = self._model.state_dict()
        # A quantised layer keeps its numbers packed away, and only their format in the state.
        quantised = {name for name, value in state.items() if not isinstance(value, torch.Tensor) or value.is_quantized}
        held = {name: value for name, value in state.items() if name not in quantised}
        changed, n_compared = self._compared(held) if compare else ([], 0)
        return WeightFacts(
            n_tensors=len(held),
            n_compared=n_compared,
            changed=tuple(changed),
            untrained=tuple(untrained_modules(self._model)),
            not_finite=tuple(name for name, value in held.items() if not bool(torch.isfinite(value).all())),
            coarse=tuple(
                name
                for name, value in held.items()
                if value.is_floating_point() and value.dtype != torch.float32 and value.ndim == 1
                and not _belongs_to_matrix(self._model, name)
            ),
            quantised=tuple(sorted({name.split("._packed_params")[0] for name in quantised})),
            training=bool(self._model.training) or any(module.training for module in self._model.modules()),
        )  # fmt: skip

    def _compared(self, held: Mapping[str, torch.Tensor]) -> tuple[list[str], int]:
        """Tensors that are not what the files hold, and how many were found there under their name."""
        from safetensors import safe_open

        changed, n_compared = [], 0
        for path in self._checkpoint.weights:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    if name not in held:
                        continue
                    n_compared += 1
                    ours = held[name].cpu()
                    stored = tensors.get_tensor(name).to(torch.float32).to(ours.dtype)
                    if stored.shape == ours.shape and (unread := self._unread_row(name)) is not None:
                        stored[unread] = ours[unread]
                    if stored.shape != ours.shape or not torch.equal(stored, ours):
                        changed.append(name)
        return changed, n_compared

    def _unread_row(self, name: str) -> int | None:
        """The row of a table of embeddings that stands for masked padding: the library sets it to zero."""
        table = self._model.get_submodule(name.rpartition(".")[0])
        return table.padding_idx if isinstance(table, nn.Embedding) and self.training.masks_padding else None

    def in_float32(self) -> Encoder:
        from luneta.encoders.hf import HFEncoder

        return HFEncoder(self._checkpoint, dtype="float32", device=self._encoder.spec.device)


def _trained_context(model_type: str, text_config: Any) -> int:
    """Positions that training reached: RoBERTa leaves the first ones of its table out, ALIGN most of them."""
    positions = int(text_config.max_position_embeddings)
    if model_type == "altclip":
        return positions - int(text_config.pad_token_id) - 1
    return min(positions, ALIGN_CONTEXT) if model_type == "align" else positions


def untrained_modules(model: nn.Module) -> list[str]:
    """Modules as their initialisation leaves them (a bias of zeros, a norm of ones) while their like have moved.

    Training moves every number of a bias. Modules are alike that have the same path but for the number of the layer;
    where all of them stand still, the recipe froze them and nothing is wrong.
    """
    alike: dict[str, dict[str, bool]] = {}
    for name, module in model.named_modules():
        bias, weight = getattr(module, "bias", None), getattr(module, "weight", None)
        if isinstance(bias, torch.Tensor) and isinstance(weight, torch.Tensor):
            still = not bool(bias.any()) and (weight.ndim != 1 or bool((weight == 1).all()))
            alike.setdefault(re.sub(r"\.\d+\.", ".*.", name), {})[name] = still
    return [
        name for group in alike.values() if not all(group.values()) for name, still in group.items() if still
    ]  # fmt: skip


def _belongs_to_matrix(model: nn.Module, name: str) -> bool:
    """Whether a one-dimensional tensor is the bias of a product, which lives in the format of its matrix."""
    parent = model.get_submodule(name.rpartition(".")[0])
    return isinstance(parent, nn.Linear | nn.Conv2d)
