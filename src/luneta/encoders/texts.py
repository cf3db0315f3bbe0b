"""From strings to what the text tower reads, in the way its family was trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from luneta.encoders.checkpoints import Checkpoint
from luneta.encoders.inputs import clean_text, list_of_texts, padded_rows
from luneta.encoders.weights import digest
from luneta.errors import EncoderError

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


class TextPreparation:
    """The tokenizer of a checkpoint, used as its family asks.

    Attributes:
        tokenizer: of transformers.
        context: tokens a text may have, special ones included.
        details: everything that decides the tokens, for the fingerprint.
    """

    def __init__(self, checkpoint: Checkpoint, text_config: Any) -> None:
        self._family = checkpoint.family
        self.tokenizer = _load_tokenizer(checkpoint)
        self.context = checkpoint.family.context(text_config, int(self.tokenizer.model_max_length))
        if self.context <= self.tokenizer.num_special_tokens_to_add():
            raise EncoderError(
                f"{checkpoint.name}: its texts may have {self.context} tokens, which leaves no room for a word; look "
                "at model_max_length in tokenizer_config.json"
            )
        self._pad = _padding_id(checkpoint, self.tokenizer, text_config)
        self.details: dict[str, Any] = {
            "tokenizer": {
                name: digest(checkpoint.folder / name)
                for name in _TOKENIZER_FILES
                if (checkpoint.folder / name).is_file()
            },
            "context": self.context,
            "padding": "whole context" if self._family.pads_to_context else "longest of the batch",
            "attention_mask": self._family.masks_padding,
            "lower_case": self._family.lowers,
            "pooling": self._family.pooling,
        }

    @property
    def padding_id(self) -> int:
        """What fills the rows of a batch."""
        return self._pad

    @property
    def any_order(self) -> bool:
        """Whether a text's vector does not depend on how far it is padded, so that texts may be sorted by length."""
        return not self._family.pads_to_context

    def token_ids(self, texts: Sequence[str], *, truncate: bool = True) -> list[list[int]]:
        """Ids of each text, special tokens included; when cut to the context, the end token stays.

        Raises:
            ConfigError: something that is not a list of strings.
        """
        cleaned = [clean_text(text, lowers=self._family.lowers) for text in list_of_texts(texts)]
        if not cleaned:
            return []
        limit: dict[str, Any] = {"truncation": True, "max_length": self.context} if truncate else {"verbose": False}
        encoded = self.tokenizer(
            cleaned, padding=False, return_attention_mask=False, return_token_type_ids=False, **limit
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def collate(self, token_ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Ids of a batch -> (n, length) tensors, padded at the right."""
        rows, mask = padded_rows(token_ids, self._pad, self.context if self._family.pads_to_context else None)
        inputs = {"input_ids": torch.from_numpy(rows)}
        if self._family.masks_padding:
            inputs["attention_mask"] = torch.from_numpy(mask)
        return inputs


def _load_tokenizer(checkpoint: Checkpoint) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers' Rust side raises nothing more precise
        raise EncoderError(f"{checkpoint.name}: its tokenizer cannot be loaded: {error}") from error


def _padding_id(checkpoint: Checkpoint, tokenizer: Any, text_config: Any) -> int:
    """What fills the rows, after making sure that the tokens fit the model.

    CLIP is padded with its end token whatever the tokenizer says: the oldest checkpoints pool at the highest id, which
    a padding token of a higher id would take over.
    """
    if len(tokenizer) > text_config.vocab_size:
        raise EncoderError(
            f"{checkpoint.name}: its tokenizer has {len(tokenizer)} tokens, but the model embeds only "
            f"{text_config.vocab_size}: tokenizer and weights come from different models"
        )
    if checkpoint.family.model_type != "clip":
        if tokenizer.pad_token_id is None:
            raise EncoderError(f"{checkpoint.name}: its tokenizer names no padding token")
        return int(tokenizer.pad_token_id)
    end = tokenizer.eos_token_id
    pools_at_highest = text_config.eos_token_id == 2
    if end is None or (not pools_at_highest and end != text_config.eos_token_id):
        raise EncoderError(
            f"{checkpoint.name}: its tokenizer ends a text with id {end}, but the model reads the text's vector at id "
            f"{text_config.eos_token_id}; set eos_token_id in config.json to the tokenizer's"
        )
    if pools_at_highest and end != len(tokenizer) - 1:
        raise EncoderError(
            f"{checkpoint.name}: the model reads a text's vector at the highest token id (eos_token_id is 2 in "
            f"config.json), but the end token {end} is not the highest of {len(tokenizer)}: tokens were added. Set "
            f"eos_token_id in config.json to {end}."
        )
    return int(end)
