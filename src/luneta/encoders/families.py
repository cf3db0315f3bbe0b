"""What each family of image-text models expects of its texts; pictures are described by the checkpoint's processor.

| model type | padding | attention mask | case | pooled at |
| --- | --- | --- | --- | --- |
| clip | longest of the batch (causal attention: exactly equal) | none needed | tokenizer lowers | end-of-text token |
| siglip, siglip2 | always the full context, at the right | never: trained without | lowered here | last position |
| align | longest of the batch, masked | yes | tokenizer's | first token |
| altclip | longest of the batch, masked | yes | tokenizer's | first token |
| chinese_clip | longest of the batch, masked | yes | tokenizer's | first token |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

ALIGN_CONTEXT = 64
"""Tokens ALIGN was trained with; its position table has room for more."""


@dataclass(frozen=True, slots=True)
class Family:
    """How one model type treats texts.

    Attributes:
        model_type: as `config.json` calls it.
        model_class: the class in transformers.
        context: (text config, tokenizer's own limit) -> tokens a text may have, special ones included.
        pads_to_context: every text is padded to the whole context, because the model reads the padding.
        masks_padding: the model gets an attention mask.
        lowers: texts are lower-cased before the tokenizer, whatever the tokenizer does.
        pooling: where the text's vector is read, in words.
        temperature: name of the parameter that scales the scores.
        idle_weights: prefixes of parameters that no vector depends on; these alone may be missing, or left over.
        image_pooling: what makes one vector of a picture's tokens: "class token" (the first one), "attention" (a
            pooling head); "query tokens" makes several; None where a picture is no sequence of tokens.
    """

    model_type: str
    model_class: str
    context: Callable[[Any, int], int]
    pads_to_context: bool
    masks_padding: bool
    lowers: bool
    pooling: str
    temperature: str = "logit_scale"
    idle_weights: tuple[str, ...] = ()
    image_pooling: Literal["class token", "attention", "query tokens"] | None = "class token"


def _positions(text_config: Any, tokenizer_limit: int) -> int:
    return min(int(text_config.max_position_embeddings), tokenizer_limit)


def _trained_positions(text_config: Any, tokenizer_limit: int) -> int:
    # The tokenizer's limit does not count: the model reads its vector at the last position it was trained with.
    return int(text_config.max_position_embeddings)


def _roberta_positions(text_config: Any, tokenizer_limit: int) -> int:
    # RoBERTa numbers its positions from pad_token_id + 1 on, so the first rows of the table are never used.
    return min(int(text_config.max_position_embeddings) - int(text_config.pad_token_id) - 1, tokenizer_limit)


def _align_positions(text_config: Any, tokenizer_limit: int) -> int:
    return min(_positions(text_config, tokenizer_limit), ALIGN_CONTEXT)


def _sigmoid_family(model_type: str, model_class: str) -> Family:
    return Family(
        model_type,
        model_class,
        context=_trained_positions,
        pads_to_context=True,
        masks_padding=False,
        lowers=True,
        pooling="last position",
        image_pooling="attention",
    )


def _masked_family(model_type: str, model_class: str, context: Callable[[Any, int], int], **more: Any) -> Family:
    return Family(
        model_type,
        model_class,
        context=context,
        pads_to_context=False,
        masks_padding=True,
        lowers=False,
        pooling="first token",
        **more,
    )


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.model_type: family
        for family in (
            Family(
                "clip",
                "CLIPModel",
                context=_positions,
                pads_to_context=False,
                masks_padding=False,
                lowers=False,
                pooling="end-of-text token",
            ),
            _sigmoid_family("siglip", "SiglipModel"),
            _sigmoid_family("siglip2", "Siglip2Model"),
            _masked_family(
                "align",
                "AlignModel",
                _align_positions,
                temperature="temperature",
                idle_weights=("text_model.pooler.",),
                image_pooling=None,
            ),
            _masked_family("altclip", "AltCLIPModel", _roberta_positions, idle_weights=("text_model.roberta.pooler.",)),
            _masked_family("chinese_clip", "ChineseCLIPModel", _positions, idle_weights=("text_model.pooler.",)),
        )
    }
)


MATCHERS: Mapping[str, Family] = MappingProxyType(
    {
        "blip-2": Family(
            "blip-2",
            "Blip2ForImageTextRetrieval",
            context=_positions,
            pads_to_context=False,
            masks_padding=True,
            lowers=False,
            pooling="first token",
            image_pooling="query tokens",
        )
    }
)
"""Models that look at a text and a picture together. They have no one vector for a picture, and so are no encoders."""
