"""Mappers as the authors of ELIP publish them: the linear layers `vpt_generator.0`, `.2`, `.4` in a whole training
checkpoint of theirs (github.com/ypliubit/ELIP). Only these are read; the towers are the encoder's own."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from luneta.errors import ArtifactError, ConfigError
from luneta.rerank.elip import Elip
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.recipe import recipe_of
from luneta.rerank.saving import read_tensors
from luneta.types import Matcher, PromptableEncoder

_LAYER = re.compile(r"(?:^|\.)vpt_generator\.(\d+)\.(weight|bias)$")
_DEEP = "vpt_generator_deep"


def load_official(path: str | os.PathLike[str], encoder: PromptableEncoder | Matcher, variant: str) -> Elip:
    """A published mapper, with its encoder.

    Args:
        path: of the checkpoint: `.pt` as it is published, read without running what a pickle may hold, or safetensors.
        encoder: the one it was trained for, as a checkpoint of transformers, or the cross-encoder for "elip-b";
            nothing in the file names it.
        variant: "elip-c", "elip-s", "elip-s2", "elip-b": where prompts come in and whether they are kept.

    Returns:
        An ELIP without a gate: prompts are listened to as to any other token. How far to believe it is for
        `luneta.rerank.fusion` to say.

    Raises:
        ArtifactError: the file is damaged, or holds no such mapper.
        ConfigError: an unknown variant, or a mapper that does not fit the encoder.
    """
    recipe = recipe_of(variant)
    layers = _layers(_tensors(Path(path)), path)
    tower = encoder.visual_prompts(recipe.insert_layer, keep_prompts=recipe.keep_prompts)
    n_in, n_out = layers[0][0].shape[1], layers[-1][0].shape[0]
    if n_in != encoder.spec.embedding_dim or n_out % tower.width:
        raise ConfigError(
            f"{path} maps texts of {n_in} numbers to {n_out}; {encoder.spec.name} has texts of "
            f"{encoder.spec.embedding_dim} and tokens of {tower.width}: it was trained for another encoder"
        )
    shape = GuideShape(
        n_in, tower.width, n_out // tower.width, tuple(weight.shape[0] for weight, _ in layers[:-1]), tower.n_guided,
        tower.n_heads, gated=False, dropout=recipe.dropout,
    )  # fmt: skip
    guide = Guide(shape)
    for number, (weight, bias) in enumerate(layers):
        guide.mapper[2 * number].load_state_dict({"weight": weight, "bias": bias})
    return Elip(encoder, tower, guide.to(tower.device).eval(), recipe.keep_prompts)


def _tensors(path: Path) -> Mapping[str, Any]:
    """Tensors by name, of the model in a training checkpoint or of a file that holds nothing else."""
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ArtifactError(
            f"{path} cannot be read as a checkpoint of tensors ({error}); fetch it again. Files that hold anything but "
            "tensors are not opened: they may run code"
        ) from error
    found = content.get("state_dict", content.get("model", content)) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} holds a {type(content).__name__}, expected a dictionary of tensors")
    return found


def _layers(tensors: Mapping[str, Any], path: str | os.PathLike[str]) -> list[tuple[Tensor, Tensor]]:
    """(weight, bias) of the mapper's linear layers, in order."""
    if any(_DEEP in name for name in tensors):
        raise ArtifactError(f"{path} holds prompts for every block ({_DEEP}), which no published result uses")
    parts: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if found := _LAYER.search(name):
            parts.setdefault(int(found[1]), {})[found[2]] = tensor
    whole = [part for _, part in sorted(parts.items())]
    if not whole or any(part.keys() != {"weight", "bias"} for part in whole):
        raise ArtifactError(f"{path} holds no mapper of ELIP, whose linear layers are called vpt_generator.0 and so on")
    layers = [(part["weight"], part["bias"]) for part in whole]
    if any(layers[i][0].shape[0] != layers[i + 1][0].shape[1] for i in range(len(layers) - 1)):
        raise ArtifactError(f"{path}: the layers of its mapper do not follow one another")
    return layers
