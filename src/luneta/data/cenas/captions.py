"""The captions of a scene, in either language."""

from __future__ import annotations

from luneta.data.cenas import english, portuguese
from luneta.data.cenas.claims import Claim, Mention, claims, relation_of
from luneta.data.cenas.world import VERSION, Scene, SwappedPair, seeded

LANGUAGES = ("en", "pt-BR")
GRAMMARS = {"en": english, "pt-BR": portuguese}
PER_LANGUAGE = 5


def captions(scene: Scene, language: str, variant: int = 0) -> list[str]:
    """Five different captions. The n-th says the same in every language.

    Args:
        variant: other captions of the same scene for every number.
    """
    said = claims(scene, seeded(VERSION, "claims", scene.signature, variant))
    rng = seeded(VERSION, "captions", language, scene.signature, variant)
    texts: list[str] = []
    for claim in said:
        text = GRAMMARS[language].caption(claim, rng)
        while text in texts:
            text = GRAMMARS[language].caption(claim, rng)
        texts.append(text)
    return texts


def pair_captions(pair: SwappedPair, language: str) -> tuple[str, str]:
    """One caption for each scene of a swapped pair; both use the same words."""
    form = int(seeded(VERSION, "pair", pair.first.signature).random() * 3)
    first, second = (
        GRAMMARS[language].pair_caption(_pair_claim(s, pair.swap), form) for s in (pair.first, pair.second)
    )
    return first, second


def _pair_claim(scene: Scene, swap: str) -> Claim:
    mentions = tuple(Mention(group, size=swap == "size") for group in scene.groups)
    return Claim(mentions, relation_of(scene, first=0), scene.place, scene.time)
