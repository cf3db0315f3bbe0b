"""The model card of a fine-tuned checkpoint: what it learnt from, what that changed, what it cost, where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from luneta.artifacts import json_text
from luneta.encoders.registry import list_encoders
from luneta.finetuning.tables import caveats, cost_line, curve_grid, proof_grid
from luneta.types import EncoderSpec

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset
    from luneta.finetuning.run import FineTuning


def card(found: FineTuning, base: EncoderSpec, data: ImageTextDataset) -> str:
    """README.md of a checkpoint, with the front matter that the hub reads."""
    return "\n".join([*_front_matter(base), *_body(found, base, data)]) + "\n"


def _front_matter(base: EncoderSpec) -> Iterator[str]:
    yield "---"
    yield "library_name: transformers"
    yield "pipeline_tag: zero-shot-image-classification"
    if base.revision:
        yield f"base_model: {base.name.partition('@')[0]}"
    if licence := licence_of(base):
        yield f"license: {licence.lower()}"
    yield "tags: [image-text-retrieval, luneta]"
    yield "---"


def _body(found: FineTuning, base: EncoderSpec, data: ImageTextDataset) -> Iterator[str]:
    where = "".join(f", {key} {value}" for key, value in (("split", data.split), ("language", data.language)) if value)
    model, learnt = found.base, found.data
    yield f"# {model}, fine-tuned on {learnt}"
    yield ""
    revision = f" at revision {base.revision}" if base.revision else ""
    yield f"Base: {model}{revision} (fingerprint {base.fingerprint[:12]})."
    yield (
        f"Data: {learnt}{where} (fingerprint {data.fingerprint[:12]}): {found.n_train:,} images to learn from, "
        f"{found.n_val:,} to validate on."
    )
    if found.n_leaked:
        yield f"{found.n_leaked:,} images were left out of training: the validation or test part holds the same thing."
    if found.n_truncated:
        yield f"{found.n_truncated:,} captions are longer than the encoder reads and were cut."
    yield ""
    yield "## Results"
    yield ""
    for caveat in caveats(found):
        yield caveat
        yield ""
    for proof in found.proofs:
        yield proof_grid(proof).write("markdown")
    yield curve_grid(found).write("markdown")
    yield f"Cost: {cost_line(found)}"
    yield ""
    yield "## Recipe"
    yield ""
    yield "```json"
    yield json_text(found.recipe.to_dict()).rstrip()
    yield "```"
    yield ""
    yield "## Limits"
    yield ""
    yield "It was measured on the data named above and nothing else; on other pictures and other words measure it anew."
    licence = licence_of(base)
    yield (
        f"The licence is that of the base checkpoint ({licence or 'look at its card'}), and of the data it learnt from "
        "where that asks for it."
    )


def licence_of(base: EncoderSpec) -> str | None:
    """Of a checkpoint that has a short name; None of others."""
    name = base.name.partition("@")[0]
    return next((preset.license for preset in list_encoders() if name in (preset.name, preset.checkpoint)), None)
