"""From a text to prompts for the image tower: the mapper of ELIP, and a gate that begins shut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from luneta.errors import ConfigError

GELU_GAIN = 1.53
"""What GELU leaves of a normal variable's length is undone by it: 1 / sqrt(E[gelu(x)^2])."""


@dataclass(frozen=True, slots=True)
class GuideShape:
    """How large a guide is.

    Attributes:
        text_dim: numbers of a text's vector.
        width: numbers of a prompt, as of a picture's tokens.
        n_prompts: prompts made of a text.
        hidden: widths of the layers between.
        n_guided, n_heads: blocks and heads that listen to the prompts.
        gated: how much they listen is learnt and begins at nothing; else they listen as to any other token.
        dropout: of the prompts, in training.
    """

    text_dim: int
    width: int
    n_prompts: int
    hidden: tuple[int, ...]
    n_guided: int
    n_heads: int
    gated: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("text_dim", "width", "n_prompts", "n_guided", "n_heads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of a guide is {getattr(self, name)}, expected at least 1")
        if any(width < 1 for width in self.hidden):
            raise ConfigError(f"hidden of a guide is {list(self.hidden)}, expected widths of at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout of a guide is {self.dropout}, expected 0 or more and less than 1")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def of(cls, record: dict[str, Any]) -> GuideShape:
        """What `to_dict` gave.

        Raises:
            ConfigError: something else.
        """
        try:
            return cls(**{**record, "hidden": tuple(record["hidden"])})
        except (KeyError, TypeError) as error:
            raise ConfigError(f"not the shape of a guide: {error}") from error


class Guide(nn.Module):
    """Maps the vector of a text to prompts (Zhan et al., ELIP, 2025) and says how much they are listened to.

    Linear, GELU, linear, ..., linear; the last gives all numbers of all prompts. Its matrices begin so that prompts are
    about as large as normalised tokens, whatever the widths.

    Attributes:
        shape: how large it is.
        mapper: text vector -> prompts, flat.
        gate: (n_guided, n_heads), 0 at the start: the picture's vector is then that of the encoder, exactly. All ones,
            and not trained, where the guide is not gated.
    """

    gate: Tensor

    def __init__(self, shape: GuideShape) -> None:
        super().__init__()
        self.shape = shape
        self.mapper = nn.Sequential(*_layers(shape))
        self.dropout = nn.Dropout(shape.dropout)
        size = (shape.n_guided, shape.n_heads)
        if shape.gated:
            self.gate = nn.Parameter(torch.zeros(size))
        else:
            self.register_buffer("gate", torch.ones(size))

    def forward(self, texts: Tensor) -> Tensor:
        """(n, text_dim) unit vectors -> (n, n_prompts, width)."""
        prompts: Tensor = self.mapper(texts).view(len(texts), self.shape.n_prompts, self.shape.width)
        return self.dropout(prompts)  # type: ignore[no-any-return]

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def _layers(shape: GuideShape) -> Iterator[nn.Module]:
    widths = [shape.text_dim, *shape.hidden, shape.n_prompts * shape.width]
    for number, (n_in, n_out) in enumerate(pairwise(widths)):
        if number:
            yield nn.GELU()
        layer = nn.Linear(n_in, n_out)
        # what comes in first is a unit vector: its numbers are small, and together they count as one
        nn.init.trunc_normal_(layer.weight, std=GELU_GAIN * n_in**-0.5 if number else 1.0)
        nn.init.zeros_(layer.bias)
        yield layer
