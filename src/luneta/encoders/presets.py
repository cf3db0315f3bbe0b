"""Encoders with a short name, and what is known of each: parameters, licence, languages.

Every fact is of one checkpoint and comes from its model card, its repository or its configuration, never from the
family's name: "SigLIP" is English in one checkpoint and multilingual in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folders of the encoders that come with the package."""

_ENGLISH = ("en",)
_MANY = ("multilingual",)
_NINE = ("en", "zh", "es", "fr", "ru", "ja", "ko", "ar", "it")
_OPENAI = "MIT (OpenAI's repository)"
_UNSTATED = "not stated"
_PICKLED = "its main branch holds pickled weights only; this commit is the hub's conversion of them"
_ASPECT = "keeps the picture's aspect ratio"
_DRAWN = "learnt drawn scenes with English captions only, for trying things out"

_IN_PORTUGUESE: Mapping[str, str] = {
    _PICKLED: "seu ramo principal só tem pesos em pickle; este commit é a conversão que o hub fez deles",
    _ASPECT: "mantém a proporção da imagem",
    _DRAWN: "aprendeu só cenas desenhadas com legendas em inglês, para experimentar",
}
"""Notes, English -> Portuguese."""


@dataclass(frozen=True, slots=True)
class EncoderPreset:
    """A short name for a checkpoint.

    Attributes:
        name: the short name.
        checkpoint: hub id, or the folder of one that comes with the package.
        n_parameters: of both towers together.
        embedding_dim: length of its vectors.
        image_size: pixels of a side of what the image tower sees; None for a variable grid of patches.
        license: as its publisher states it.
        languages: BCP 47 codes of what its texts were trained on; ("multilingual",) for very many.
        revision: where on the hub its safetensors are, when they are not in the main branch.
        note: what else one should know.
    """

    name: str
    checkpoint: str
    n_parameters: int
    embedding_dim: int
    image_size: int | None
    license: str
    languages: tuple[str, ...]
    revision: str | None = None
    note: str = ""

    def note_in(self, locale: str) -> str:
        """The note in English ("en") or Portuguese ("pt-BR")."""
        return _IN_PORTUGUESE[self.note] if self.note and locale == "pt-BR" else self.note


_HUB = (
    EncoderPreset(
        "clip-b32",
        "openai/clip-vit-base-patch32",
        151_277_313,
        512,
        224,
        _OPENAI,
        _ENGLISH,
        revision="c237dc49a33fc61debc9276459120b7eac67e7ef",
        note=_PICKLED,
    ),
    EncoderPreset("clip-b16", "openai/clip-vit-base-patch16", 149_620_737, 512, 224, _OPENAI, _ENGLISH),
    EncoderPreset("clip-l14", "openai/clip-vit-large-patch14", 427_616_513, 768, 224, _OPENAI, _ENGLISH),
    EncoderPreset("clip-l14-336", "openai/clip-vit-large-patch14-336", 427_944_193, 768, 336, _OPENAI, _ENGLISH),
    EncoderPreset("clip-b32-laion2b", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 151_277_313, 512, 224, "MIT", _ENGLISH),
    EncoderPreset("clip-h14-laion2b", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 986_109_441, 1024, 224, "MIT", _ENGLISH),
    EncoderPreset("siglip-b16", "google/siglip-base-patch16-224", 203_155_970, 768, 224, "Apache-2.0", _ENGLISH),
    EncoderPreset("siglip-b16-384", "google/siglip-base-patch16-384", 203_447_810, 768, 384, "Apache-2.0", _ENGLISH),
    EncoderPreset("siglip-l16", "google/siglip-large-patch16-256", 652_150_786, 1024, 256, "Apache-2.0", _ENGLISH),
    EncoderPreset("siglip-so400m", "google/siglip-so400m-patch14-384", 877_960_498, 1152, 384, "Apache-2.0", _ENGLISH),
    EncoderPreset(
        "siglip-b16-multilingual",
        "google/siglip-base-patch16-256-multilingual",
        370_626_050,
        768,
        256,
        "Apache-2.0",
        _MANY,
    ),
    EncoderPreset("siglip2-b32", "google/siglip2-base-patch32-256", 376_856_066, 768, 256, "Apache-2.0", _MANY),
    EncoderPreset("siglip2-b16", "google/siglip2-base-patch16-224", 375_187_970, 768, 224, "Apache-2.0", _MANY),
    EncoderPreset(
        "siglip2-b16-naflex",
        "google/siglip2-base-patch16-naflex",
        375_234_050,
        768,
        None,
        "Apache-2.0",
        _MANY,
        note=_ASPECT,
    ),
    EncoderPreset("siglip2-l16", "google/siglip2-large-patch16-256", 881_526_786, 1024, 256, "Apache-2.0", _MANY),
    EncoderPreset("siglip2-so400m", "google/siglip2-so400m-patch14-384", 1_136_008_498, 1152, 384, "Apache-2.0", _MANY),
    EncoderPreset(
        "siglip2-so400m-naflex",
        "google/siglip2-so400m-patch16-naflex",
        1_135_670_962,
        1152,
        None,
        "Apache-2.0",
        _MANY,
        note=_ASPECT,
    ),
    EncoderPreset("align", "kakaobrain/align-base", 172_117_841, 640, 289, _UNSTATED, _ENGLISH),
    EncoderPreset("altclip", "BAAI/AltCLIP", 864_186_113, 768, 224, "CreativeML-OpenRAIL-M", ("en", "zh")),
    EncoderPreset("altclip-m9", "BAAI/AltCLIP-m9", 864_186_113, 768, 224, "CreativeML-OpenRAIL-M", _NINE),
    EncoderPreset(
        "chinese-clip-b16", "OFA-Sys/chinese-clip-vit-base-patch16", 188_262_913, 512, 224, _UNSTATED, ("zh",)
    ),
)

BUNDLED = ("luneta-mini", "luneta-mini-siglip")
"""Trained on the built-in world of drawn scenes, English captions in one drawing style; they come with the package."""


def list_encoders() -> list[EncoderPreset]:
    """Every encoder with a short name: those in the package first, then those of the Hugging Face hub."""
    return [*(_bundled(name) for name in BUNDLED if (WEIGHTS / name).is_dir()), *_HUB]


def find_preset(name: str) -> EncoderPreset | None:
    """The preset of that short name, in any case."""
    return next((preset for preset in list_encoders() if preset.name == name.lower()), None)


def preset_of_checkpoint(repository: str) -> EncoderPreset | None:
    """What is known of a checkpoint of the hub that has a preset."""
    return next((preset for preset in _HUB if preset.checkpoint.lower() == repository.lower()), None)


def _bundled(name: str) -> EncoderPreset:
    """Read from its files: the numbers of a retrained mini change, this page does not."""
    import json

    from safetensors import safe_open

    folder = WEIGHTS / name
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        shapes = [tensors.get_slice(key).get_shape() for key in tensors.keys()]  # noqa: SIM118 - not a dict
    n_parameters = 0
    for shape in shapes:
        product = 1
        for length in shape:
            product *= length
        n_parameters += product
    dim = config.get("projection_dim") or config["text_config"].get("projection_size")
    size = config["vision_config"]["image_size"]
    return EncoderPreset(name, str(folder), n_parameters, dim, size, "Apache-2.0", _ENGLISH, note=_DRAWN)
