"""Which files make up a checkpoint: those that are copied and sent away, and no other that lies beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from luneta.encoders.checkpoints import Checkpoint

WEIGHTS_INDEX = "model.safetensors.index.json"
PREPARATION = (  # of texts and pictures, as the tokenizers and processors of all families name their files
    "added_tokens.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt")


def kept_files(folder: Path) -> Iterator[Path]:
    """What stays as it is when the weights change: tokenizer, processor, licence."""
    for name in (*PREPARATION, *LICENCES):
        if (folder / name).is_file():
            yield folder / name


def all_files(checkpoint: Checkpoint) -> Iterator[Path]:
    """A whole checkpoint: configuration, weights as safetensors, tokenizer, processor, card, licence."""
    yield checkpoint.folder / "config.json"
    yield from checkpoint.weights
    if (readme := checkpoint.folder / "README.md").is_file():
        yield readme
    if checkpoint.weights[0].name != "model.safetensors":
        yield checkpoint.folder / WEIGHTS_INDEX
    yield from kept_files(checkpoint.folder)
