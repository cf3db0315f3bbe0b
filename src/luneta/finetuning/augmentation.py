"""Careful changes of pictures that leave their captions true."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

SIDES = re.compile(
    r"\b((left|right)(most|wards?|y|ie|handed|hand|side)?|(anti|counter)?clockwise|mirror(ed|s)?"
    r"|read(s|ing)?|texts?|letters?|words?|written|says|saying|signs?|labell?ed|labels?|logos?|captions?|numbers?"
    r"|esquerd[ao]s?|direit[ao]s?|canhot[ao]s?|destr[ao]s?|(anti-?)?horári[ao]s?|espelhad[ao]s?|espelhos?"
    r"|textos?|letras?|palavras?|escrit[ao]s?|diz|dizendo|letreiros?|placas?|rótulos?|logotipos?|números?"
    r"|izquierd[ao]s?|derech[ao]s?|gauche|droite?|links|rechts|linke[nrsm]?|rechte[nrsm]?)\b|\d",
    re.IGNORECASE,
)
"""Words after which a mirrored picture would no longer be what its caption says: sides, and what can be read in it."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A crop of nearly everything, a little more or less light, colour and contrast, and sometimes a mirror image.

    Attributes:
        smallest: share of a picture's area that a crop keeps at least (fine-tuning wants 0.8 to 1: what the caption
            names must stay inside).
        strength: of the changes of light, colour and contrast.
        mirror: share of the pictures that are mirrored, of those where it changes nothing that a caption says.
    """

    smallest: float = 0.8
    strength: float = 0.1
    mirror: float = 0.5

    def __call__(self, picture: Image.Image, captions: Sequence[str], rng: np.random.Generator) -> Image.Image:
        """An RGB picture, changed; the same changes for equal generators."""
        picture = self._crop(picture, rng)
        for enhancer in (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast):
            picture = enhancer(picture).enhance(float(rng.uniform(1 - self.strength, 1 + self.strength)))
        if rng.random() < self.mirror and may_mirror(captions):
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return picture

    def _crop(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        share = rng.uniform(self.smallest, 1)
        stretch = np.exp(rng.uniform(-0.1, 0.1))
        width = min(picture.width, max(1, round(picture.width * np.sqrt(share) * stretch)))
        height = min(picture.height, max(1, round(picture.height * np.sqrt(share) / stretch)))
        left = int(rng.integers(picture.width - width + 1))
        top = int(rng.integers(picture.height - height + 1))
        return picture.crop((left, top, left + width, top + height))


def may_mirror(captions: Sequence[str]) -> bool:
    """Whether no caption says anything that is wrong of the mirror image.

    >>> may_mirror(["a cat on a mat"]), may_mirror(["a cat left of a dog"]), may_mirror(["um gato à direita"])
    (True, False, False)
    """
    return not any(SIDES.search(caption) for caption in captions)
