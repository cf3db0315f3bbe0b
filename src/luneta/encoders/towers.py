"""The two towers of a checkpoint taken apart for training: trunk, head, blocks, temperature."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from luneta.encoders.families import Family
from luneta.errors import ConfigError
from luneta.types import Part, Side

_BLOCK = re.compile(r"\.(?:layers?|blocks)\.(\d+)\.")
_BLOCK_ITSELF = re.compile(r"\.(?:layers?|blocks)\.\d+$")
_BEFORE_BLOCKS = (".embeddings.", ".pre_layrnorm.")  # spelt so in all families that have it
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj", "query", "key", "value")
_TOWERS: Mapping[Side, str] = {"image": "vision_model.", "text": "text_model."}
_TEMPERATURE = ("logit_scale", "logit_bias", "temperature")


N_PARTS, PART_COST = (1, 2, 4, 8), 128
"""In how many parts by length a batch of texts may go; each saves padding, and costs as much as so many tokens."""


def by_length(lengths: Tensor) -> list[tuple[Tensor, int]]:
    """Rows of texts of about equal length and the longest of each part, in as many parts as cost least.

    >>> [(rows.tolist(), longest) for rows, longest in by_length(torch.tensor([9, 400, 8, 300]))]
    [([2, 0], 9), ([3, 1], 400)]
    """
    order = lengths.argsort(stable=True)
    ways = [
        [(rows, int(lengths[rows[-1]])) for rows in order.tensor_split(n)] for n in N_PARTS if n <= max(1, len(order))
    ]
    return min(ways, key=lambda parts: sum(len(rows) * longest + PART_COST for rows, longest in parts))


class Towers:
    """What the models of all families have, under one set of names.

    A vector is made in two steps: the trunk reads a picture or a text (`image_features`, `text_features`), the head
    maps that into the common space (`image_vectors`, `text_vectors`). In the SigLIP families the picture's head is part
    of the trunk, and the step is empty.

    Attributes:
        model: of transformers.
        family: of the checkpoint.
    """

    def __init__(self, model: Any, family: Family) -> None:
        self.model = model
        self.family = family
        self._sigmoid = family.pooling == "last position"

    # -- forward -----------------------------------------------------------------------------------------------

    def image_features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(n, width) of the trunk, before the head."""
        pooled: Tensor = self.model.vision_model(**inputs).pooler_output
        return pooled

    def text_features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(n, width) of the trunk, before the head.

        Args:
            inputs: what the text tower reads; with "lengths" (n,) of the texts they go through it in parts of about
                equal length, each padded to its own longest.
        """
        if "lengths" not in inputs:
            return self._text_features(inputs)
        read = {name: tensor for name, tensor in inputs.items() if name != "lengths"}
        parts = by_length(inputs["lengths"])
        found = [
            self._text_features({name: tensor[rows, :longest] for name, tensor in read.items()})
            for rows, longest in parts
        ]
        return torch.cat(found)[torch.cat([rows for rows, _ in parts]).argsort()]

    def _text_features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        output = self.model.text_model(**inputs)
        if self.family.pooling == "end-of-text token":
            pooled: Tensor = output.pooler_output
        else:
            pooled = output.last_hidden_state[:, -1 if self._sigmoid else 0]
        return pooled

    def image_vectors(self, features: Tensor) -> Tensor:
        """(n, width) -> (n, d) float32 unit vectors."""
        return _unit(self._head("visual_projection")(features))

    def text_vectors(self, features: Tensor) -> Tensor:
        """(n, width) -> (n, d) float32 unit vectors."""
        head = self.model.text_model.head if self._sigmoid else self._head("text_projection")
        return _unit(head(features))

    def _head(self, name: str) -> nn.Module:
        return getattr(self.model, name, None) or nn.Identity()

    @property
    def scale(self) -> Tensor:
        """What similarities are multiplied by."""
        temperature: Tensor = getattr(self.model, self.family.temperature)
        return 1 / temperature if self.family.temperature == "temperature" else temperature.exp()

    @property
    def bias(self) -> Tensor | None:
        """What is added to them, in a model of the sigmoid loss."""
        return getattr(self.model, "logit_bias", None)

    @torch.no_grad()
    def clamp_scale(self, largest: float) -> None:
        """Keep the scale at or below `largest`, as CLIP was trained (Radford et al., 2021, section 2.5)."""
        temperature: Tensor = getattr(self.model, self.family.temperature)
        if self.family.temperature == "temperature":
            temperature.clamp_(min=1 / largest)
        else:
            temperature.clamp_(max=float(torch.tensor(largest).log()))

    # -- what is where -----------------------------------------------------------------------------------------

    def part_of(self, parameter: str) -> Part:
        """The part that a parameter belongs to."""
        if parameter.split(".")[0] in _TEMPERATURE:
            return "temperature"
        if parameter.startswith("visual_projection."):
            return "image_head"
        if parameter.startswith(("text_projection.", "text_model.head.")):
            return "text_head"
        return "image" if parameter.startswith(_TOWERS["image"]) else "text"

    def depth(self, parameter: str) -> int:
        """How many blocks lie between a parameter and its tower's end: 0 after the last block, 1 in it, and so on."""
        part = self.part_of(parameter)
        n_blocks = self._n_blocks.get(part, 0)
        if found := _BLOCK.search(parameter):
            return n_blocks - int(found[1])
        return n_blocks + 1 if any(name in parameter for name in _BEFORE_BLOCKS) else 0

    @cached_property
    def _n_blocks(self) -> dict[Part, int]:
        n: dict[Part, int] = {}
        for name, _ in self.model.named_parameters():
            if found := _BLOCK.search(name):
                part = self.part_of(name)
                n[part] = max(n.get(part, 0), int(found[1]) + 1)
        return n

    def attention_layers(self, sides: Sequence[Side]) -> list[str]:
        """Names of the linear layers of the towers' self-attention: where low-rank adapters are put.

        Raises:
            ConfigError: a tower has none, as a convolutional one.
        """
        found = []
        for side in sides:
            own = [
                name
                for name, module in self.model.named_modules()
                if isinstance(module, nn.Linear)
                and name.startswith(_TOWERS[side])
                and _BLOCK.search(name)
                and name.rsplit(".", 1)[-1] in _ATTENTION
            ]
            if not own:
                raise ConfigError(
                    f"the {side} tower of a {self.family.model_type} model has no attention that low-rank adapters "
                    "could be put into; train it with method='full'"
                )
            found += own
        return found

    def blocks(self) -> list[str]:
        """Names of the modules that hold nearly all weights: each tower's embeddings and its blocks."""
        names = [name for name, _ in self.model.named_modules() if name.startswith(tuple(_TOWERS.values()))]
        return [name for name in names if name.endswith(".embeddings") or _BLOCK_ITSELF.search(name)]

    def patch_embeddings(self) -> tuple[nn.Module, int]:
        """The module whose output is (n, n_tokens, width) of a picture's patches, and how many tokens come before them.

        Raises:
            ConfigError: the family's pictures are no plain sequence of patches.
        """
        embeddings = getattr(self.model.vision_model, "embeddings", None)
        if embeddings is None or self.family.model_type in ("align", "siglip2"):
            raise ConfigError(f"patches cannot be dropped in a {self.family.model_type} model")
        return embeddings, 0 if self._sigmoid else 1


def _unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors.float(), dim=1)
